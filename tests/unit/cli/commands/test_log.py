"""`minibroker log`: what it prints of Kafka's files and ours, and that it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.runtime import RealClock
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World
from minibroker.cli.main import main

from tests.support.records.partitions import BATCH_BYTES, NOW_MS, batch_from

GOLDEN = Path(__file__).parents[3] / "golden" / "kafka-segments"
Output = pytest.CaptureFixture[str]


def rows(capsys: Output, *words: str, code: int = 0) -> list[dict[str, Any]]:
    assert main(["log", *words, "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def fill(root: Path, batch_count: int = 6) -> None:
    """A data directory of ours with two partitions, as kill -9 leaves it."""
    storage = FileStorage(str(root))
    world = World(RealClock(), storage, Random(1))
    hooks = Hooks(lambda: None, lambda: None, lambda: None, lambda line: None)
    broker = Broker(BrokerConfig(durability="fsync"), [], world, hooks)
    topic = broker.plan_topic(NewTopic("orders", partition_count=2))
    assert isinstance(topic, Topic)
    broker.create_topics([topic])
    for sequence in range(batch_count):
        for index in range(2):
            partition = broker.partition("orders", index)
            assert partition is not None
            partition.produce(batch_from(5, sequence, b"value %d" % sequence), NOW_MS)
            broker.appended(partition)
            if sequence == 3:
                partition.log.roll()
        broker.finish_round(broker.begin_round())
    storage.close()


def by_log(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    assert found[-1]["kind"] == "verdict"
    return {row["log"]: row for row in found if "log" in row}


def content(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_kafkas_segments_and_indexes_are_read(capsys: Output) -> None:
    found = rows(capsys, "dump", str(GOLDEN), "--records")
    batches = {(row["file"], row["position"]): row for row in found if row["kind"] == "batch"}
    assert all(row["crc"] == "ok" for row in batches.values())
    records = [row["offset"] for row in found if row["kind"] == "record"]
    assert records == sorted(set(records))
    for row in found:
        if row["kind"] == "index":
            log = row["file"].replace(".index", ".log")
            assert batches[log, row["batch_position"]]["last_offset"] == row["offset"]
    assert {row["kind"] for row in found} == {"batch", "record", "index", "timeindex", "line"}


def test_every_file_of_ours_is_read(tmp_path: Path, capsys: Output) -> None:
    fill(tmp_path)
    found = rows(capsys, "dump", str(tmp_path / "orders-0"), str(tmp_path), "--records")
    kinds = {row["kind"] for row in found}
    assert {"batch", "record", "summary", "snapshot", "producer", "recovery-point"} <= kinds
    assert not kinds & {"damaged", "unknown"}
    values = [row["value"] for row in found if row["kind"] == "record"]
    assert values == [f"value {number}" for number in range(6)]
    [producer] = [row for row in found if row["kind"] == "producer"]
    assert (producer["producer_id"], producer["batches"][0]) == (5, [3, 3, 3])


def test_a_damaged_segment_is_read_as_far_as_it_goes(tmp_path: Path, capsys: Output) -> None:
    path = tmp_path / f"{0:020d}.log"
    batch = batch_from(5, 0)
    path.write_bytes(batch + batch[:-1] + bytes([batch[-1] ^ 1]) + batch[:-3])
    found = rows(capsys, "dump", str(path), code=1)
    assert [row.get("crc") for row in found] == ["ok", "wrong", None]
    assert found[-1]["kind"] == "damaged"
    assert found[-1]["position"] == 2 * len(batch)
    assert found[-1]["why"] == f"a batch of {len(batch)} bytes, {len(batch) - 3} are left"


@pytest.mark.parametrize("size", [0, 1, 11, 60])
@pytest.mark.parametrize(
    "name",
    [
        f"{0:020d}{suffix}"
        for suffix in (".log", ".index", ".timeindex", ".snapshot", ".producers", ".summary")
    ]
    + ["recovery-points", "clean-stop", "leader-epoch-checkpoint", "unheard.of"],
)
def test_no_file_is_too_short_to_be_told(
    tmp_path: Path, capsys: Output, name: str, size: int
) -> None:
    (tmp_path / name).write_bytes(b"\xff" * size)
    assert main(["log", "dump", str(tmp_path / name)]) in (0, 1)
    assert main(["log", "dump", str(tmp_path / name), "--json"]) in (0, 1)
    capsys.readouterr()


def test_a_sound_directory_is_told_to_be_sound(tmp_path: Path, capsys: Output) -> None:
    fill(tmp_path)
    before = content(tmp_path)
    found = by_log(rows(capsys, "check", str(tmp_path)))
    assert {row["kind"] for row in found.values()} == {"log"}
    orders = found["orders-0"]
    assert (orders["log_end_offset"], orders["flushed_offset"], orders["segments"]) == (6, 6, 2)
    assert "__cluster_metadata-0" in found
    assert content(tmp_path) == before
    assert main(["log", "check", str(tmp_path)]) == 0


def test_a_torn_tail_is_told_and_left(tmp_path: Path, capsys: Output) -> None:
    fill(tmp_path)
    path = tmp_path / "orders-1" / f"{4:020d}.log"
    path.write_bytes(path.read_bytes() + batch_from(5, 6)[:-9])
    before = content(tmp_path)
    found = by_log(rows(capsys, "check", str(tmp_path)))
    assert found["orders-1"]["kind"] == "cut"
    left = len(batch_from(5, 6)) - 9
    assert found["orders-1"]["a start would"] == f"cut {left} bytes"
    assert content(tmp_path) == before


def test_damage_is_refused_or_left_to_readers(tmp_path: Path, capsys: Output) -> None:
    fill(tmp_path)
    for directory, base in (("orders-0", 0), ("orders-1", 4)):
        path = tmp_path / directory / f"{base:020d}.log"
        data = bytearray(path.read_bytes())
        data[BATCH_BYTES] ^= 1
        path.write_bytes(bytes(data))
    before = content(tmp_path)
    found = by_log(rows(capsys, "check", str(tmp_path), code=1))
    assert found["orders-0"]["kind"] == "damaged"
    assert found["orders-1"]["kind"] == "refused"
    assert "all before offset 6 had been flushed" in found["orders-1"]["why"]
    assert found["orders-1"]["file"].endswith(f"orders-1/{4:020d}.log")
    assert content(tmp_path) == before


def test_a_directory_in_use_is_left_alone(tmp_path: Path, capsys: Output) -> None:
    storage = FileStorage(str(tmp_path))
    assert main(["log", "check", str(tmp_path)]) == 2
    assert "in use by another broker" in capsys.readouterr().err
    storage.close()
    assert main(["log", "check", str(tmp_path / "nowhere")]) == 2
    assert "No such file or directory" in capsys.readouterr().err
