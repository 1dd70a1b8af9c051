"""EDGE: data directories as careless people, backups and failing machines leave them.

`full_directory` makes what tests spoil; snapshot() takes what must not change.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.groups.records import OffsetCommitValue
from minibroker.broker.runtime import RealClock
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.names import FILES, META_PROPERTIES
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World

from tests.support.records.partitions import NOW_MS, batch_from

METADATA, OFFSETS = "__cluster_metadata-0", "__consumer_offsets-0"
FIRST = f"{0:020d}.log"
STATE = {".lock", META_PROPERTIES, *FILES, *(f"{name}.tmp" for name in (*FILES, META_PROPERTIES))}
DERIVED = (".index", ".timeindex", ".summary", ".producers")
TOPICS = {"orders": 2, "billing": 1}
RECORDS = 6

Tree = dict[str, tuple[int, bytes]]


@dataclass
class Opened:
    """A broker on a directory, and what its start said."""

    broker: Broker
    storage: FileStorage
    warnings: list[str] = field(default_factory=list)

    def ends(self) -> dict[str, int]:
        """The log end of every partition that has records."""
        opened = self.broker.partitions.values()
        return {
            f"{each.topic}-{each.index}": each.log.log_end_offset
            for each in opened
            if each.log.segments
        }

    def stop(self) -> None:
        """As `minibroker serve` does at SIGTERM."""
        self.broker.close()
        self.storage.close()

    def kill(self) -> None:
        """As kill -9 does."""
        self.storage.close()


def start(root: Path, seed: int = 0) -> Opened:
    """Start a broker in this process; raises what keeps it from starting."""
    storage = FileStorage.of_broker(str(root))
    warnings: list[str] = []
    hooks = Hooks(lambda: None, lambda: None, lambda: None, lambda line: warnings.append(str(line)))
    config = BrokerConfig.of({"log.dirs": (str(root),), "durability": "fsync"})
    try:
        broker = Broker(config, [], World(RealClock(), storage, Random(seed)), hooks)
    except BaseException:
        storage.close()
        raise
    return Opened(broker, storage, warnings)


def ends_found(root: Path) -> dict[str, int]:
    """What a start finds; the broker is killed at once."""
    opened = start(root)
    try:
        return opened.ends()
    finally:
        opened.kill()


def write(opened: Opened, topic: str, index: int, sequences: range) -> None:
    """Store a batch of each sequence number, flushed."""
    partition = opened.broker.partition(topic, index)
    assert partition is not None
    for sequence in sequences:
        partition.produce(batch_from(5, sequence, b"%d" % sequence), NOW_MS)
        opened.broker.appended(partition)
    flush(opened)


def flush(opened: Opened) -> None:
    """One round of flushes."""
    round_ = opened.broker.begin_round()
    for file in round_.files:
        file.flush()
    opened.broker.finish_round(round_)


def create(opened: Opened, name: str, partitions: int) -> None:
    """Make a topic."""
    topic = opened.broker.plan_topic(NewTopic(name, partition_count=partitions))
    assert isinstance(topic, Topic), topic
    opened.broker.create_topics([topic])


def full_directory(root: Path, *, seed: int = 0, topics: dict[str, int] = TOPICS) -> Path:
    """Two topics with records in every partition, stopped cleanly."""
    opened = start(root, seed)
    for name, count in topics.items():
        create(opened, name, count)
        for index in range(count):
            write(opened, name, index, range(RECORDS))
    topic_id = opened.broker.state.topics["orders"].topic_id
    committed = OffsetCommitValue(offset=3, metadata="", commit_timestamp=NOW_MS, topic_id=topic_id)
    opened.broker.groups.offsets.commit("readers", [("orders", 0, committed)])
    flush(opened)
    opened.stop()
    return root


def snapshot(root: Path) -> Tree:
    """Every name with its mode and content; links are not followed."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = b""
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path).encode()
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(root))] = (status.st_mode, content)
    return found


def not_ours(tree: Tree) -> Tree:
    """What a start may not change, whatever comes of it: all but the broker's own bookkeeping."""
    return {
        path: each
        for path, each in tree.items()
        if path.partition("/")[0] not in {*STATE, METADATA, OFFSETS} and not path.endswith(DERIVED)
    }


def logs_in(tree: Tree) -> list[bytes]:
    """The content of every segment with records: none may ever be missing."""
    return sorted(data for path, (_, data) in tree.items() if path.endswith(".log") and data)


def damage(path: Path, position: int) -> None:
    """Flip a bit."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def copy_tree(source: Path, target: Path) -> None:
    """As `cp -a`."""
    shutil.copytree(source, target, symlinks=True)
