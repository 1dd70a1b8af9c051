"""A broker without an edge: the test moves its clock, its flushes and its turns.

Each start makes a new broker on the same disk, as after a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import Topic
from minibroker.broker.cluster.topics import NewTopic
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.config.properties import Value
from minibroker.broker.partitions.partition import Appended, Partition
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Storage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World
from minibroker.protocol.batch.writing import build_batch

NOW_MS = 1_700_000_000_000
TURNS_MAX = 100_000


class MovableClock:
    """Both clocks, moved together; the wall clock may be set besides."""

    def __init__(self) -> None:
        self.passed_ms = 0
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return NOW_MS + self.passed_ms + self.set_by_ms

    def monotonic_ms(self) -> int:
        return self.passed_ms


class Machine:
    """A disk, a clock, and what the broker of the latest start has said."""

    def __init__(self, storage: Storage | None = None, **settings: Value) -> None:
        values = {name.replace("_", "."): value for name, value in settings.items()}
        self.config = BrokerConfig.of({"log.dirs": ("data",), **values})
        self.storage: Storage = MemoryStorage() if storage is None else storage
        self.clock = MovableClock()
        self.warned: list[str] = []
        self.told: list[str] = []
        self._starts = 0

    def start(self) -> Broker:
        """A new broker on what is on the disk."""
        self._starts += 1
        nothing: Callable[[], None] = lambda: None  # noqa: E731  a name for three of them
        hooks = Hooks(
            nothing,
            nothing,
            nothing,
            warn=lambda line: self.warned.append(str(line)),
            tell=lambda line: self.told.append(str(line)),
        )
        self.broker = Broker(
            self.config, [], World(self.clock, self.storage, Random(self._starts)), hooks
        )
        return self.broker

    def partition(self, name: str = "orders", index: int = 0, **texts: str) -> Partition:
        """A partition of the running broker; its topic is made at first."""
        if name not in self.broker.state.topics:
            configs = {key.replace("_", "."): text for key, text in texts.items()}
            topic = self.broker.plan_topic(NewTopic(name, partition_count=2, configs=configs))
            assert isinstance(topic, Topic), topic
            self.broker.create_topics([topic])
            self.flush()
        partition = self.broker.partition(name, index)
        assert partition is not None
        return partition

    def append(self, partition: Partition, count: int = 1, producer_id: int = -1) -> None:
        """Batches of one record of the broker's present time."""
        for sequence in range(count):
            batch = batch_at(self.clock.now_ms(), producer_id, sequence)
            assert isinstance(partition.produce(batch, self.clock.now_ms()), Appended)
            self.broker.appended(partition)

    def flush(self) -> None:
        """One round of flushes, whoever waits."""
        round_ = self.broker.begin_round()
        for file in round_.files:
            file.flush()
        self.broker.finish_round(round_)

    def pass_ms(self, duration_ms: int) -> None:
        """Let time pass, then the broker do all that is due, flushing between its turns."""
        self.clock.passed_ms += duration_ms
        for _ in range(TURNS_MAX):
            deadline_ms = self.broker.next_deadline_ms()
            if deadline_ms is None or deadline_ms > self.clock.passed_ms:
                return
            self.broker.on_deadline(self.clock.passed_ms)
            self.flush()
        raise AssertionError(f"something is still due after {TURNS_MAX} turns")


def batch_at(timestamp: int, producer_id: int = -1, sequence: int = 0) -> bytes:
    """A batch of one record; a producer id of -1 for none."""
    return build_batch(
        [(None, b"v" * 30, (), timestamp)],
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=sequence if producer_id >= 0 else -1,
    )


BATCH_BYTES = len(batch_at(NOW_MS))
