"""Kafka's DumpLogSegments reads our files; `minibroker log dump` reads a real Kafka's directory."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from random import Random

import pytest
from minibroker.broker.log.log import Log, LogConfig
from minibroker.broker.storage.files import FileStorage
from minibroker.cli.main import main
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.compression import Codec

from tests.support.processes.kafka import RealKafka, fetch, missing_tools
from tests.support.records.logs import DIRECTORY, TOPIC_ID, append

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
]
RECORDS = 5_000


def dump_log(path: Path, *options: str) -> str:
    """Kafka's own tool on one file: what it prints, complaints included."""
    command = ["java", "-cp", f"{fetch()}/*", "org.apache.kafka.tools.DumpLogSegments", *options]
    done = subprocess.run(
        [*command, "--files", str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_kafkas_tool_reads_our_segments_and_indexes(tmp_path: Path) -> None:
    storage = FileStorage(str(tmp_path))
    log = Log.open(
        storage, DIRECTORY, LogConfig(segment_bytes=400_000), lambda header: None, TOPIC_ID
    )
    random, sequence = Random(1), 0
    for number in range(400):
        count = random.randint(1, 20)
        records = [
            (b"k%d" % number, random.randbytes(random.randint(0, 300)), (), 1_000_000 + number)
        ] * count
        codec = [Codec.NONE, Codec.GZIP][number % 2]
        batch = build_batch(
            records, codec=codec, producer_id=7, producer_epoch=0, base_sequence=sequence
        )
        append(log, batch, leader_epoch=number // 100)
        sequence += count
    log.close()
    storage.close()
    directory = tmp_path / DIRECTORY
    assert len(list(directory.glob("*.log"))) > 1
    for path in sorted(directory.glob("*.log")):
        said = dump_log(path, "--deep-iteration")
        assert "isvalid: true" in said
        assert "isvalid: false" not in said
        assert "Found" not in said, "no invalid bytes at the end"
    for path in sorted([*directory.glob("*.index"), *directory.glob("*.timeindex")]):
        said = dump_log(
            path, "--verify-index-only" if path.suffix == ".index" else "--deep-iteration"
        )
        for complaint in ("Mismatches", "out of order", "not found"):
            assert complaint not in said, said[-2000:]


def test_our_dump_reads_a_real_kafkas_directory(capsys: pytest.CaptureFixture[str]) -> None:
    with RealKafka() as kafka:
        server = kafka.bootstrap_servers
        made = kafka.tool(
            "org.apache.kafka.tools.TopicCommand",
            *("--bootstrap-server", server, "--create", "--topic", "dumped"),
            *("--config", "segment.bytes=1048576"),
        )
        assert made.returncode == 0, made.stderr
        sent = kafka.tool(
            "org.apache.kafka.tools.ProducerPerformance",
            *("--topic", "dumped", "--num-records", str(RECORDS), "--record-size", "500"),
            *("--throughput", "-1", "--producer-props", f"bootstrap.servers={server}"),
        )
        assert sent.returncode == 0, sent.stderr
        directory = kafka.data_dir() / "dumped-0"
        for how in (kafka.kill, kafka.stop):
            how()
            code = main(["log", "dump", str(directory), "--records", "--json"])
            rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            assert code == 0, [row for row in rows if row["kind"] == "damaged"]
            offsets = [row["offset"] for row in rows if row["kind"] == "record"]
            assert offsets == list(range(RECORDS))
            positions = {
                (row["file"], row["position"]): row for row in rows if row["kind"] == "batch"
            }
            entries = [row for row in rows if row["kind"] == "index"]
            assert entries
            for row in entries:
                log = row["file"].replace(".index", ".log")
                assert positions[log, row["batch_position"]]["last_offset"] == row["offset"]
            assert {"producer", "line", "timeindex"} <= {row["kind"] for row in rows}
            if how == kafka.kill:
                kafka.start()
        assert main(["log", "dump", str(kafka.data_dir()), "--json"]) == 0
        text = capsys.readouterr().out
        assert "dumped 0" in text, "its checkpoints"
