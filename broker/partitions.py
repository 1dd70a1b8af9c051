"""The partitions that are open: how they are opened, recovered after a stop, deleted and closed.

Here: directories and their owners, the order of a start (docs/decisions/0005). Not here: which
topics there are (metadata.py), who waits for what (broker.py), the bytes of a log (log/).
A partition without files is opened when it is first asked for; it costs nothing until then.
Read next: partition.py, log/recovery.py.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ..protocol.batch import CONTROL_BIT, LOG_APPEND_TIME_BIT, BatchHeader
from .config import BrokerConfig
from .groups.ledger import DIRECTORY as GROUPS_DIRECTORY
from .limits import SYNC_ALL_FROM_FILES
from .log.identity import DELETED_SUFFIX, METADATA_NAME, STRAY_SUFFIX, read_topic_id
from .log.log import Log
from .log.storage import File, Storage, StorageError
from .log_lines import Event, Line
from .metadata import DIRECTORY as METADATA_DIRECTORY
from .metadata import ClusterMetadata, Topic
from .partition import Partition, log_config
from .restart import Restart
from .sequences import CRC_UNKNOWN, SequenceTable
from .topic_config import TopicConfig, topic_config
from .verdicts import VerdictRings
from .world import World

_NAME_MAX = 240  # leaves room for the suffix in a file name


class Partitions:
    """All partitions of one broker; `opened` by topic name and number.

    Args:
        state: topics and starts, as the metadata log says.
        warn: takes one line for the operator.
    """

    def __init__(
        self,
        config: BrokerConfig,
        world: World,
        state: ClusterMetadata,
        restart: Restart,
        warn: Callable[[Line], None],
    ) -> None:
        self.opened: dict[tuple[str, int], Partition] = {}
        self._rings = VerdictRings()
        self._is_writable = False
        self._was_read = False  # a log whose clean stop nobody has noted
        self._config = config
        self._world = world
        self._state = state
        self._restart = restart
        self._warn = warn

    @property
    def leader_epoch(self) -> int:
        """Stamped into batches; rises by one with every start."""
        return self._state.start_count - 1

    def get(self, topic: str, index: int) -> Partition | None:
        """A partition, opened if need be; None if there is none of that name and number."""
        partition = self.opened.get((topic, index))
        if partition is not None:
            return partition
        known = self._state.topics.get(topic)
        if known is None or not 0 <= index < known.partition_count:
            return None
        return self._open(known, index)

    def begin(self) -> None:
        """The start is written, durably: from now on partitions can be appended to."""
        self._is_writable = True
        for partition in self.opened.values():
            partition.leader_epoch = self.leader_epoch
            partition.is_writable = True

    def know_producer(self, producer_id: int) -> bool:
        """Whether any open partition knows a producer id."""
        return any(producer_id in each.sequences for each in self.opened.values())

    def of(self, topic: Topic) -> list[Partition]:
        """The open partitions of a topic."""
        keys = ((topic.name, index) for index in range(topic.partition_count))
        return [self.opened[key] for key in keys if key in self.opened]

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

    def recover(self) -> None:
        """Open every partition that has files, and remove what a crash left half deleted.

        Raises:
            DamagedLog, StorageError: the data cannot be used as it is.
        """
        # None of what is made here becomes garbage; looking for it takes a third of the time.
        gc.disable()
        try:
            self._recover_all(self._world.storage)
        finally:
            gc.enable()

    def _recover_all(self, storage: Storage) -> None:
        for directory in storage.list_dir(""):
            if directory in (METADATA_DIRECTORY, GROUPS_DIRECTORY):
                continue
            name, dash, number = directory.rpartition("-")
            if directory.endswith(DELETED_SUFFIX):
                storage.remove_tree(directory)
            elif dash and number.isdecimal():
                self._recover(directory, name, int(number))
        groups_were_read = (
            storage.exists(GROUPS_DIRECTORY)
            and self._restart.known(GROUPS_DIRECTORY, None).last is None
        )
        if self._config.durability == "fsync" and (self._was_read or groups_were_read):
            # What a killed broker had written but not flushed is readable now, and will be
            # acknowledged as a duplicate or served: it must be as durable as everything else.
            storage.sync_all()

    def delete(self, partition: Partition) -> None:
        """Remove a partition of a deleted topic with its files.

        Files that cannot be removed are in nobody's way, and go at the next start.

        Raises: StorageError, if they could not even be renamed; a later topic of that name would
            take them for its own.
        """
        del self.opened[partition.topic, partition.index]
        doomed = partition.log.delete()
        try:
            if doomed:
                self._world.storage.remove_tree(doomed)
        except StorageError as error:
            self._warn(f"{doomed} is left until the next start: {error}")

    def close(self, dirty_files: Sequence[File]) -> None:
        """Close every log; flush all of them, and `dirty_files` with them. Raises StorageError."""
        dirty = [*dirty_files]
        for partition in self.opened.values():
            partition.log.close()
            dirty += partition.dirty_files()
        durability = self._config.durability
        # Under page-cache, what an earlier broker left unflushed must be on disk too.
        if durability == "page-cache" or len(dirty) >= SYNC_ALL_FROM_FILES:
            self._world.storage.sync_all()
        else:
            for file in dirty:
                file.flush()

    def _recover(self, directory: str, name: str, index: int) -> None:
        storage = self._world.storage
        topic = self._state.topics.get(name)
        if topic is not None and self._restart.knows(directory, topic.topic_id):
            self._open(topic, index)
            return
        topic_id = read_topic_id(storage, directory)
        if topic is None or index >= topic.partition_count:
            if topic_id is not None and topic_id not in self._state.names_by_id:
                self._remove_deleted(directory)
            else:
                self._put_aside(directory)
        elif topic_id == topic.topic_id or self._is_ours(directory, topic, topic_id):
            self._open(topic, index)

    def _is_ours(self, directory: str, topic: Topic, topic_id: bytes | None) -> bool:
        """Judge a directory that bears the name of a topic and not its id; get others out of it.

        An id is flushed with the first batch. So if anything of this topic was flushed there, its
        id has been damaged since. If nothing was, this is what a power loss has left of an older
        topic of that name: 1. deleted, its directory renamed, its files removed  2. of all this
        only the removal of the id was durable.
        """
        storage = self._world.storage
        flushed_offset = self._restart.known(directory, topic.topic_id).flushed_offset
        if flushed_offset or (topic_id is None and flushed_offset is None):
            self._warn(f"{directory}: its topic id is damaged or missing; written anew")
            storage.remove(f"{directory}/{METADATA_NAME}")
            return True
        if topic_id is not None:
            self._remove_deleted(directory)
            return False
        if any(name.endswith(".log") for name in storage.list_dir(directory)):
            self._put_aside(directory)
            return False
        return True

    def _put_aside(self, directory: str) -> None:
        """Rename what nobody owns, so that no later topic of that name takes it for its own."""
        storage = self._world.storage
        number = 0
        while storage.exists(aside := f"{directory[:_NAME_MAX]}.{number}{STRAY_SUFFIX}"):
            number += 1
        self._warn(f"renaming {directory} to {aside}: no topic of this broker owns it")
        storage.rename(directory, aside)
        self._was_read = True  # as good as: it is to be flushed

    def _remove_deleted(self, directory: str) -> None:
        self._warn(f"removing {directory}: its topic has been deleted")
        self._world.storage.remove_tree(directory)

    def _open(self, topic: Topic, index: int) -> Partition:
        config = topic_config(topic.overrides, self._config)
        directory = f"{topic.name}-{index}"
        known = self._restart.known(directory, topic.topic_id)
        monotonic_ms = self._world.clock.monotonic_ms
        sequences = SequenceTable(monotonic_ms)
        record, now_ms = sequences.record, monotonic_ms()

        def fold(header: BatchHeader) -> None:
            # By number: a million batches a gigabyte are read here after a crash.
            attributes = header[5]
            if header[9] >= 0 and not attributes & CONTROL_BIT:
                # A batch stamped with the broker's time is stored with another CRC than it had.
                sent_crc = CRC_UNKNOWN if attributes & LOG_APPEND_TIME_BIT else header[4]
                record(header, header[0], now_ms, sent_crc)

        log = Log.open(
            self._world.storage,
            directory,
            log_config(config),
            fold,
            topic.topic_id,
            producers=sequences,
            known=replace(
                known,
                log_start_offset=topic.log_starts.get(index, 0),
                removed_offset=topic.removed.get(index, 0),
            ),
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
            sequences,
            config=config,
            flushed=self._config.durability == "fsync",
            leader_epoch=self.leader_epoch,
            is_writable=self._is_writable,
            rings=self._rings,
        )
        self.opened[topic.name, index] = partition
        return partition
