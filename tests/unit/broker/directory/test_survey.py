"""Whose a directory is, through deletions, crashes and copies: what the survey relies on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from minibroker.broker.cluster.records import TopicDeletedRecord
from minibroker.broker.directory.adoption import Adoption, NotDone
from minibroker.broker.directory.survey import UnknownPartitions
from minibroker.broker.log.identity import doomed_name
from minibroker.broker.storage.files import FileStorage
from minibroker.protocol.errors import ErrorCode, Refused

from tests.support.directories.data_directories import (
    RECORDS,
    Opened,
    copy_tree,
    create,
    ends_found,
    full_directory,
    snapshot,
    start,
    write,
)
from tests.support.records.partitions import NOW_MS, batch_from


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return full_directory(tmp_path / "data")


def adoption(root: Path) -> tuple[FileStorage, Adoption]:
    from random import Random

    storage = FileStorage.of_broker(str(root))
    return storage, Adoption(storage, NOW_MS, Random(7), lambda line: None)


def test_a_topic_is_durable_before_its_first_directory_is_made(tmp_path: Path) -> None:
    opened = start(tmp_path / "data")
    create(opened, "t", 1)
    metadata = opened.broker._metadata
    assert not metadata.is_durable
    partition = opened.broker.partition("t", 0)
    assert partition is not None
    assert not metadata.is_durable, "opened, and nothing written yet"
    partition.produce(batch_from(5, 0), NOW_MS)
    assert metadata.is_durable
    opened.kill()


def test_a_copy_put_back_after_a_deletion_is_not_removed(root: Path) -> None:
    """1. copied  2. the topic deleted, all of it gone  3. the copy put back  4. killed, started."""
    copy_tree(root / "billing-0", root.parent / "copy")
    opened = start(root)
    list(opened.broker.delete_topics(["billing"]))
    assert not (root / "billing-0").exists()
    assert not opened.broker.state.deleted, "nothing is left of it"
    opened.kill()
    copy_tree(root.parent / "copy", root / "billing-0")
    before = snapshot(root / "billing-0")
    with pytest.raises(UnknownPartitions, match="billing-0: no topic has its id"):
        start(root)
    assert snapshot(root / "billing-0") == before


def deleted_on_record(root: Path) -> tuple[Opened, bytes]:
    """A broker that dies between the record of a deletion and the first rename."""
    opened = start(root)
    topic_id = opened.broker.state.topics["orders"].topic_id
    opened.broker._commit([TopicDeletedRecord(topic_id)])
    opened.broker._metadata.flush()
    return opened, topic_id


@pytest.mark.parametrize("renamed", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("half_removed", [False, True])
@pytest.mark.parametrize("rewritten", [False, True])
def test_a_deletion_is_finished_wherever_it_was_cut_short(
    root: Path, renamed: tuple[int, ...], half_removed: bool, rewritten: bool
) -> None:
    opened, topic_id = deleted_on_record(root)
    if rewritten:  # the record itself has gone with the history
        opened.broker._metadata.begin_rewrite(NOW_MS)
        while opened.broker._metadata.append_portion(NOW_MS):
            pass
        opened.broker._metadata.flush()
    opened.kill()
    for index in renamed:
        doomed = root / doomed_name(f"orders-{index}", topic_id)
        (root / f"orders-{index}").rename(doomed)
        if half_removed:
            (doomed / "partition.metadata").unlink()
    again = start(root)
    assert again.ends() == {"billing-0": RECORDS}
    assert not [path for path in root.iterdir() if path.name.startswith("orders")]
    assert not again.broker.state.deleted
    create(again, "orders", 2)
    write(again, "orders", 0, range(1))
    again.stop()
    assert ends_found(root) == {"billing-0": RECORDS, "orders-0": 1}


def test_a_deleted_partition_without_its_id_is_still_the_deleted_one(root: Path) -> None:
    opened, _ = deleted_on_record(root)
    opened.kill()
    (root / "orders-1" / "partition.metadata").unlink()
    assert ends_found(root) == {"billing-0": RECORDS}
    assert not (root / "orders-1").exists()


@pytest.mark.parametrize("name", ["notes.txt", f"{0:020d}.log"])
def test_a_topic_does_not_begin_in_a_directory_that_holds_something_else(
    root: Path, name: str
) -> None:
    opened = start(root)
    theirs = root / "late-0" / name
    theirs.parent.mkdir()
    theirs.write_text("theirs")
    create(opened, "late", 1)
    partition = opened.broker.partition("late", 0)
    assert partition is not None
    refused = partition.produce(batch_from(5, 0), NOW_MS)
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert f"({name}): move it away" in refused.why
    list(opened.broker.delete_topics(["late"]))
    assert theirs.read_text() == "theirs"
    opened.kill()


def test_what_was_set_aside_can_be_adopted_again(root: Path) -> None:
    storage, decisions = adoption(root)
    [line] = decisions.set_aside(["orders-1"])
    assert "set aside as orders-1.0-stray" in line
    storage.close()
    opened = start(root)
    assert "orders-1" not in opened.ends()
    opened.stop()
    storage, decisions = adoption(root)
    decisions.adopt(["orders-1.0-stray"])
    storage.close()
    assert ends_found(root)["orders-1"] == RECORDS


@pytest.mark.parametrize("name", ["../data/orders-0", "orders", "meta.properties", "nowhere-0"])
def test_nothing_but_logs_of_the_directory_is_adopted(root: Path, name: str) -> None:
    before = snapshot(root)
    storage, decisions = adoption(root)
    with pytest.raises(NotDone):
        decisions.adopt([name])
    storage.close()
    changed = {path for path, each in snapshot(root).items() if before.get(path) != each}
    assert changed <= {".lock", "clean-stop", "recovery-points"}


def test_a_partition_that_bears_the_id_of_another_topic_is_not_adopted(root: Path) -> None:
    copy_tree(root / "orders-0", root / "copy-0")
    storage, decisions = adoption(root)
    with pytest.raises(NotDone, match="bears the id of topic orders: rename it to orders-N"):
        decisions.adopt(["copy-0"])
    storage.close()
    shutil.rmtree(root / "copy-0")
    assert ends_found(root)["orders-0"] == RECORDS


def test_a_damaged_log_is_not_adopted_and_nothing_else_with_it(root: Path) -> None:
    for name in ("new-0", "new-1"):
        copy_tree(root / "billing-0", root / name)
        (root / name / "partition.metadata").unlink()
    path = root / "new-1" / f"{0:020d}.log"
    path.write_bytes(path.read_bytes()[:40] + b"\0" * 40 + path.read_bytes()[80:])
    storage, decisions = adoption(root)
    with pytest.raises(Exception, match="damaged at byte"):
        decisions.adopt(["new-0", "new-1"])
    storage.close()
    with pytest.raises(UnknownPartitions, match=r"new-0.*new-1"):
        start(root)
