"""The partitions that are open: how they are opened, recovered after a stop, deleted and closed.

Here: the order of a start (docs/decisions/0005) and of a deletion. Not here: whose a directory is
(directory/survey.py), which topics there are (cluster/metadata.py), who waits for what (broker.py),
bytes (log/). A partition without files is opened when it is first asked for; it costs nothing until
then. Read next: partition.py, log/recovery.py.
Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace

from ..cluster.metadata import ClusterMetadata, Topic
from ..config.broker import BrokerConfig
from ..config.topic import TopicConfig, topic_config
from ..directory.restart import Restart
from ..directory.survey import Survey
from ..limits import SYNC_ALL_FROM_FILES
from ..log.identity import METADATA_NAME, deleted_id, doomed_name
from ..log.log import Log
from ..log.recovery import Known
from ..log_lines import Event, Line
from ..storage.names import GROUPS_LOG, TRANSACTIONS_LOG
from ..storage.port import File, Storage, StorageError
from ..waiting.long_work import finished
from ..world import World
from .partition import Partition, log_config
from .producers import Producers
from .verdicts import VerdictRings

NEW = Known(is_new=True)


class OpenPartitions:
    """The open partitions of one broker; `by_key`: by topic name and number.

    Args:
        state: topics and starts, as the metadata log says.
        warn: takes one line for the operator.
        before_directory: makes the topics that there are durable; called before a partition's
            directory is made. Raises FlushFailed: they are not.
    """

    def __init__(
        self,
        config: BrokerConfig,
        world: World,
        state: ClusterMetadata,
        restart: Restart,
        warn: Callable[[Line], None],
        *,
        before_directory: Callable[[], None],
    ) -> None:
        self.by_key: dict[tuple[str, int], Partition] = {}
        self._rings = VerdictRings()
        self._is_writable = False
        self._was_read = False  # a log whose clean stop nobody has noted
        self._config = config
        self._world = world
        self._state = state
        self._restart = restart
        self._warn = warn
        self._before_directory = before_directory

    @property
    def leader_epoch(self) -> int:
        """Stamped into batches; rises by one with every start."""
        return self._state.start_count - 1

    def get(self, topic: str, index: int) -> Partition | None:
        """A partition, opened if need be; None if there is none of that name and number."""
        partition = self.by_key.get((topic, index))
        if partition is not None:
            return partition
        known = self._state.topics.get(topic)
        if known is None or not 0 <= index < known.partition_count:
            return None
        return self._open(known, index, NEW)  # all that have files were opened at the start

    def begin(self) -> None:
        """The start is written, durably: from now on partitions can be appended to."""
        self._is_writable = True
        for partition in self.by_key.values():
            partition.leader_epoch = self.leader_epoch
            partition.is_writable = True

    def producer_ids(self) -> Iterator[int]:
        """Every producer id that an open partition knows; some more than once."""
        for partition in self.by_key.values():
            yield from partition.sequences

    def of(self, topic: Topic) -> list[Partition]:
        """The open partitions of a topic."""
        keys = ((topic.name, index) for index in range(topic.partition_count))
        return [self.by_key[key] for key in keys if key in self.by_key]

    def configure(self, config: BrokerConfig, topics: Iterable[Topic]) -> None:
        """Take other values into force, at once, on what is open of `topics`.

        Args:
            config: the broker's values, for every partition opened from now on.
        """
        self._config = config
        made: dict[tuple[tuple[str, str], ...], TopicConfig] = {}  # most topics override nothing
        for topic in topics:
            overrides = tuple(topic.overrides.items())
            if overrides not in made:
                made[overrides] = topic_config(topic.overrides, config)
            for partition in self.of(topic):
                partition.configure(made[overrides])

    def recover(self, found: Survey) -> list[bytes]:
        """Open every partition that has files, and finish the deletions that are on record.

        Returns: the ids of deleted topics of which nothing is left, durably.
        Raises:
            DamagedLog, StorageError: the data cannot be used as it is.
        """
        # None of what is made here becomes garbage; looking for it takes a third of the time.
        was_collecting = gc.isenabled()  # a host that tests with us may have it off
        gc.disable()
        try:
            return self._recover(found, self._world.storage)
        finally:
            if was_collecting:
                gc.enable()

    def _recover(self, found: Survey, storage: Storage) -> list[bytes]:
        # Deletions first, while nobody can ask for anything: 1. t is deleted, on record  2. a crash
        # before t-0 has gone  3. somebody creates t anew: its t-0 must not find the old one there.
        gone = self._finish_deletions(found, storage)
        for directory in found.unnamed:
            self._warn(f"{directory}: its topic id is damaged or missing; written anew")
            storage.remove(f"{directory}/{METADATA_NAME}")
        # All of them, whole, before the first request is answered:
        # 1. batch 7 is stored, its answer lost, the broker killed  2. its producer comes back first
        # of all and sends 7 again  3. a table that has not read as far as 7 takes it for new.
        for topic, index in found.opens:
            known = self._restart.known(f"{topic.name}-{index}", topic.topic_id)
            removed_offset = topic.removed.get(index, 0)
            self._open(topic, index, replace(known, removed_offset=removed_offset))
        was_read = self._was_read or any(
            storage.exists(name) and self._restart.known(name, None).last is None
            for name in (GROUPS_LOG, TRANSACTIONS_LOG)
        )
        if self._config.durability == "fsync" and was_read:
            # And as durable as everything else that is acknowledged, before anybody is:
            # 1. batch 7 is written, the broker killed before its flush  2. the system still has it,
            # so it is read here  3. 7 comes again and is acknowledged: "stored before"  4. power
            # lost: 7 is in no file, and its producer will never send it again.
            storage.sync_all()
        return gone

    def _finish_deletions(self, found: Survey, storage: Storage) -> list[bytes]:
        """Remove what deletions on record have left; return the ids of which nothing is left."""
        for directory, _ in found.deleted:
            self._warn(f"removing {directory}: its topic has been deleted")
        doomed = finished(self._rename_deleted(found.deleted))
        left: set[bytes] = finished(self.remove([*found.doomed, *doomed]))
        return [topic_id for topic_id in self._state.deleted if topic_id not in left]

    def _rename_deleted(
        self, directories: Iterable[tuple[str, bytes]]
    ) -> Generator[None, None, list[str]]:
        """Give directories of deleted topics the name under which they are removed, durably.

        1. topic deleted, renamed  2. its files removed  3. its successor of that name writes
        4. power lost. If the rename were lost and a removal not, the rest would be taken for the
        successor's. So the renames are flushed before the first file goes.

        Raises: StorageError.
        """
        storage = self._world.storage
        doomed: list[str] = []
        for directory, topic_id in directories:
            doomed.append(doomed_name(directory, topic_id))
            storage.rename(directory, doomed[-1])
            yield
        if doomed:
            storage.flush_names()
        return doomed

    def take_out(self, topics: Iterable[Topic]) -> list[Partition]:
        """The open partitions of deleted topics; nobody finds them here any more."""
        taken = [partition for topic in topics for partition in self.of(topic)]
        for partition in taken:
            del self.by_key[partition.topic, partition.index]
            self._rings.close(partition)
        return taken

    def delete(self, partitions: Iterable[Partition]) -> Generator[None, None, list[str]]:
        """Close what was taken out and rename the directories, durably; in steps.

        No topic of these names may be created between the deletion's record and the end of this.

        Returns: what is left to remove(), at any time.
        Raises: StorageError, if they could not be renamed; a later topic of that name would take
            them for its own.
        """
        directories: list[tuple[str, bytes]] = []
        for partition in partitions:
            directories += partition.log.delete()
            yield
        return (yield from self._rename_deleted(directories))

    def remove(self, doomed: Sequence[str]) -> Generator[None, None, set[bytes]]:
        """Remove renamed directories with their files, durably; in steps.

        Returns: the ids of topics of which something is left, for the next start to remove.
        """
        storage = self._world.storage
        left: set[bytes] = set()
        for name in doomed:
            try:
                storage.remove_tree(name)
            except StorageError as error:
                self._warn(f"{name} is left until the next start: {error}")
                left.add(deleted_id(name) or b"")
            yield
        try:
            if doomed:
                storage.flush_names()
        except StorageError:  # whether they have gone is not known, so they stay on record
            left.update(deleted_id(name) or b"" for name in doomed)
        return left

    def close(self, dirty_files: Sequence[File]) -> None:
        """Close every log; flush all of them, and `dirty_files` with them. Raises StorageError."""
        dirty = [*dirty_files]
        for partition in self.by_key.values():
            partition.log.close()
            dirty += partition.dirty_files()
        durability = self._config.durability
        # Under page-cache, what an earlier broker left unflushed must be on disk too.
        if durability == "page-cache" or len(dirty) >= SYNC_ALL_FROM_FILES:
            self._world.storage.sync_all()
        else:
            for file in dirty:
                file.flush()

    def _open(self, topic: Topic, index: int, known: Known) -> Partition:
        config = topic_config(topic.overrides, self._config)
        directory = f"{topic.name}-{index}"
        producers = Producers(self._world.clock.monotonic_ms, packs_anew=config.codec is not None)
        log = Log.open(
            self._world.storage,
            directory,
            log_config(config),
            producers.on_batch,
            topic.topic_id,
            before_directory=self._before_directory,
            on_control=producers.on_control,
            producers=producers,
            known=replace(known, log_start_offset=topic.log_starts.get(index, 0)),
        )
        self._was_read |= known.last is None
        if log.recovery is not None:
            self._warn(Event("log-recovered", directory=directory, found=log.recovery))
        for note in log.notes:
            self._warn(note)
        log.notes.clear()
        partition = Partition(
            topic.name,
            index,
            log,
            producers,
            config=config,
            flushed=self._config.durability == "fsync",
            leader_epoch=self.leader_epoch,
            is_writable=self._is_writable,
            rings=self._rings,
        )
        self.by_key[topic.name, index] = partition
        return partition
