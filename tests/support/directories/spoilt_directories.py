"""EDGE: forty ways to spoil a data directory, each a function of it and of another broker's.

The first third lets a broker start; the rest is refused. What comes of each: the tables in
tests/system/directory/test_data_directories.py.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from minibroker.broker.cluster.records import TopicDeletedRecord

from tests.support.directories.data_directories import (
    FIRST,
    METADATA,
    OFFSETS,
    RECORDS,
    TOPICS,
    copy_tree,
    create,
    damage,
    start,
    write,
)


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def theirs(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("theirs")
    return path


# Cases in which a broker starts.


def nothing(root: Path, other: Path) -> None:
    empty(root)


def lost_and_found(root: Path, other: Path) -> None:
    empty(root)
    theirs(root / "lost+found" / "#1234")


def a_first_start_cut_short(root: Path, other: Path) -> None:
    empty(root)
    (root / ".lock").write_text("1\n")
    (root / "meta.properties.tmp").write_text("version=1\n")


def as_it_was_left(root: Path, other: Path) -> None:
    pass


def without_its_mark(root: Path, other: Path) -> None:
    """One of version 0.1.0."""
    (root / "meta.properties").unlink()


def foreign_files(root: Path, other: Path) -> None:
    for name in ("README", "report-2024", "x.tmp", "old.log", "bad\nname-0", "orders-0.bak"):
        theirs(root / name)


def foreign_directories(root: Path, other: Path) -> None:
    for name in ("report-2024", "photos-delete", "x-99999999999999999999", "-7", "orders-0.tmp"):
        theirs(root / name / "a.pdf")
    (root / "empty-0").mkdir()


def foreign_files_among_ours(root: Path, other: Path) -> None:
    for name in ("x.tmp", "x.deleted", "1.index", "notes"):
        theirs(root / "orders-0" / name)


def deletions_nobody_has_recorded(root: Path, other: Path) -> None:
    copy_tree(root / "orders-0", root / f"orders-0.{'ab' * 16}-delete")
    copy_tree(root / "orders-0", root / "orders-0.abc-delete")


def a_copy_beside_it(root: Path, other: Path) -> None:
    copy_tree(root / "orders-0", root / "orders-0.bak")
    copy_tree(root / "orders-0", root / "orders-00")


def links_pipes(root: Path, other: Path) -> None:
    (root / "dangling-0").symlink_to("nowhere")
    theirs(root.parent / "outside" / "a")
    (root / "outside-1").symlink_to(root.parent / "outside")
    os.mkfifo(root / "pipe-0")


def a_partition_on_another_disk(root: Path, other: Path) -> None:
    shutil.move(root / "orders-0", root.parent / "elsewhere")
    (root / "orders-0").symlink_to(root.parent / "elsewhere")


def checkpoints_gone(root: Path, other: Path) -> None:
    for name in ("recovery-points", "clean-stop", "running-time"):
        (root / name).unlink(missing_ok=True)


def ids_gone(root: Path, other: Path) -> None:
    (root / "orders-0" / "partition.metadata").unlink()
    (root / "orders-1" / "partition.metadata").write_text("")


def a_deletion_that_cannot_be_finished(root: Path, other: Path) -> None:
    opened = start(root)
    create(opened, "doomed", 1)
    write(opened, "doomed", 0, range(1))
    topic_id = opened.broker.state.topics["doomed"].topic_id
    opened.broker._commit([TopicDeletedRecord(topic_id)])
    opened.stop()
    shutil.move(root / "doomed-0", root.parent / "elsewhere")
    (root / f"doomed-0.{topic_id.hex()}-delete").symlink_to(root.parent / "elsewhere")


# Cases that are refused, with the sentence; and what is there when the advice has been followed.


def a_home(root: Path, other: Path) -> None:
    empty(root)
    for name in ("thesis.txt", ".bashrc", "photos/a.jpg", "old-delete/b"):
        theirs(root / name)


def kafkas(root: Path, other: Path) -> None:
    empty(root)
    mark = "#\n#Fri Nov 27\ncluster.id=abc\nversion=1\ndirectory.id=xyz\nnode.id=1\n"
    (root / "meta.properties").write_text(mark)
    copy_tree(_kafka_segments(), root / "orders-0")
    theirs(root / METADATA / "quorum-state")


def kafkas_without_its_mark(root: Path, other: Path) -> None:
    kafkas(root, other)
    (root / "meta.properties").unlink()


def _kafka_segments() -> Path:
    return Path(__file__).parents[2] / "golden" / "kafka-segments"


def partitions_alone(root: Path, other: Path) -> None:
    for path in root.iterdir():
        if path.name.rpartition("-")[0] not in TOPICS:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def a_newer_format(root: Path, other: Path) -> None:
    edit_mark(root, "minibroker.format=1", "minibroker.format=2")


def an_empty_mark(root: Path, other: Path) -> None:
    (root / "meta.properties").write_text("")


def a_mark_that_is_a_pipe(root: Path, other: Path) -> None:
    (root / "meta.properties").unlink()
    os.mkfifo(root / "meta.properties")


def a_lock_that_is_a_link(root: Path, other: Path) -> None:
    (root / ".lock").unlink()
    (root / ".lock").symlink_to(theirs(root.parent / "elsewhere"))


def another_clusters_metadata(root: Path, other: Path) -> None:
    shutil.rmtree(root / METADATA)
    copy_tree(other / METADATA, root / METADATA)
    checkpoints_gone(root, other)


def metadata_gone(root: Path, other: Path) -> None:
    shutil.rmtree(root / METADATA)


def metadata_damaged(root: Path, other: Path) -> None:
    damage(root / METADATA / FIRST, 80)


def an_older_metadata(root: Path, other: Path) -> None:
    copy_tree(root / METADATA, root.parent / "backup")
    opened = start(root)
    create(opened, "newer", 1)
    write(opened, "newer", 0, range(RECORDS))
    opened.stop()
    shutil.rmtree(root / METADATA)
    copy_tree(root.parent / "backup", root / METADATA)


def offsets_damaged(root: Path, other: Path) -> None:
    damage(root / OFFSETS / FIRST, 80)


def offsets_gone(root: Path, other: Path) -> None:
    shutil.rmtree(root / OFFSETS)


def a_partition_of_another_broker(root: Path, other: Path) -> None:
    copy_tree(other / "billing-0", root / "invoices-0")


def a_partition_exchanged(root: Path, other: Path) -> None:
    shutil.rmtree(root / "orders-1")
    copy_tree(other / "orders-1", root / "orders-1")


def a_partition_renamed(root: Path, other: Path) -> None:
    (root / "orders-1").rename(root / "renamed-1")


def a_partition_copied(root: Path, other: Path) -> None:
    copy_tree(root / "orders-1", root / "orders-backup-1")


def a_partition_too_many(root: Path, other: Path) -> None:
    copy_tree(root / "orders-1", root / "orders-4")


def a_partition_without_id_or_topic(root: Path, other: Path) -> None:
    copy_tree(root / "orders-1", root / "nameless-0")
    (root / "nameless-0" / "partition.metadata").unlink()


def a_partition_damaged(root: Path, other: Path) -> None:
    damage(root / "orders-1" / FIRST, 30)
    checkpoints_gone(root, other)


def an_older_partition(root: Path, other: Path) -> None:
    copy_tree(root / "orders-1", root.parent / "backup")
    opened = start(root)
    write(opened, "orders", 1, range(RECORDS, RECORDS + 3))
    opened.stop()
    shutil.rmtree(root / "orders-1")
    copy_tree(root.parent / "backup", root / "orders-1")


def edit_mark(root: Path, said: str, says: str) -> None:
    path = root / "meta.properties"
    text = path.read_text()
    assert said in text
    path.write_text(text.replace(said, says))
