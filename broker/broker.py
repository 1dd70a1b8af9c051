"""The broker without its sockets: topics, partitions, metadata, and what waits for what.

Handlers (apis/) ask this object; the edge (runtime.py) flushes for it and arms its timers. What
it knows beyond the running partitions is a fold over the metadata log (cluster/metadata.py).
Opening reads the metadata, writes down the start (directory/start_record.py), and recovers the
partitions (partitions/open_partitions.py), all flushed before anybody is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from ..protocol.errors import ErrorCode, Refused
from .cluster.metadata import ClusterMetadata, Topic, topic_record
from .cluster.producer_ids import ProducerIds, SharedIds
from .cluster.records import (
    DeletionsDoneRecord,
    MetadataRecord,
    PartitionsRecord,
    TopicConfigRecord,
    TopicDeletedRecord,
)
from .cluster.running_config import RunningConfig, running_config
from .cluster.told_changes import told_changes
from .cluster.topics import NewTopic, plan_topic
from .config.broker import BrokerConfig
from .config.listeners import Listener
from .directory.reserve import Reserve
from .directory.restart import Restart
from .directory.start_record import Start, data_opened
from .directory.storage_trouble import StorageTrouble
from .directory.survey import claim
from .figures import BrokerFigures
from .groups.coordinator import Coordinator
from .groups.ledger import GroupsLedger
from .log.log import Log
from .log.recovery import Known, RecoveryReport
from .log.state_log import StateLog
from .log_lines import Event
from .partitions.groups_partition import Hearing
from .partitions.log_starts import LogStarts
from .partitions.open_partitions import OpenPartitions
from .partitions.partition import Partition
from .partitions.producer_expiry import ProducerExpiry
from .partitions.retention import Retention
from .partitions.seen_topics import SeenTopics
from .storage.data_directory import owner_mark
from .storage.names import GROUPS_LOG, METADATA_LOG, TRANSACTIONS_LOG
from .storage.port import FlushFailed, NoSpace, StorageError
from .transactions.beginning import Beginning, knows_all_decisions
from .transactions.ledger import TransactionsLedger
from .transactions.participant import Participants
from .transactions.transactions import Transactions
from .waiting.deadlines import Deadlines
from .waiting.group_commit import GroupCommit, Round
from .waiting.held_bytes import HeldBytes
from .waiting.hooks import Hooks
from .waiting.isolation import call, each_alone
from .waiting.long_work import LongWork, Steps
from .waiting.parked_fetches import ParkedFetches
from .world import World

HIGH_WATERMARK = -1  # as an offset of DeleteRecords


class Broker:
    """One broker on one data directory.

    Raises:
        DamagedLog, StorageError, MetadataError: the data cannot be used as it is.
    """

    faults: object | None = None  # the Faults it acts out, for apis/alter_faults.py

    def __init__(
        self, config: BrokerConfig, listeners: Sequence[Listener], world: World, hooks: Hooks
    ) -> None:
        self._started_with = config
        self.listeners: Mapping[str, Listener] = {each.name: each for each in listeners}
        self.world, self.clock = world, world.clock
        self.figures = BrokerFigures()
        self._hooks = hooks
        self.reserve = Reserve(world.storage, world.clock, hooks.warn)
        self.trouble = StorageTrouble(hooks.warn, self.reserve.look)
        self.opened_at_ms = world.clock.monotonic_ms()
        self.work = LongWork(hooks.slices)
        self._names_taken: set[str] = set()  # by topics that are being deleted
        self.commit = GroupCommit(hooks.flush_wanted)
        begin, ready = self.work.begin_ahead, hooks.fetches_ready
        self.parked = ParkedFetches(ready, hooks.deadline_moved, begin)
        self._deadlines = Deadlines(self.parked)
        self.held = HeldBytes(config.queued_max_request_bytes)
        mark = owner_mark(world.storage)
        self.restart = Restart(world.storage, hooks.warn)
        self.state = ClusterMetadata()
        self._metadata = StateLog(
            world.storage,
            METADATA_LOG,
            self.state,
            self.clock.now_ms(),
            self.restart.known(METADATA_LOG, None),
        )
        self.config = config = self.running_config.effective()
        self._report_recovery(METADATA_LOG, self._metadata.log.recovery)
        node_id, warn = config.node_id, hooks.warn
        cluster_id, found = claim(world, mark, self.state, self.restart, node_id=node_id, warn=warn)
        self._start = Start(
            self._metadata, self.state, world, self.reserve, warn, cluster_id=cluster_id
        )
        self._open_partitions = OpenPartitions(
            config, world, self.state, self.restart, warn, before_directory=self._flush_topics
        )
        self.partitions = self._open_partitions.by_key
        self.shared_ids = SharedIds(hooks.warn)
        known = self.restart.known(GROUPS_LOG, None)
        self._ledger = GroupsLedger(config, world, self.commit, known)
        self._report_recovery(GROUPS_LOG, self._ledger.log.log.recovery)
        self.seen = self._make_seen(cluster_id)
        known = self.restart.known(TRANSACTIONS_LOG, None)
        self._transactions_ledger = TransactionsLedger(config, world, self.commit, known)
        self._report_recovery(TRANSACTIONS_LOG, self._transactions_ledger.log.log.recovery)
        gone = self._open_partitions.recover(found)
        self._note_metadata_flushed()
        all_durable = config.durability == "fsync"
        self.restart.recovered(self.logs(), self.state.names_by_id, all_durable=all_durable)
        self._producer_ids = ProducerIds(world.random, self._known_producer_ids)
        self.groups = self._make_groups(hooks)
        self.transactions = self._make_transactions(hooks, known)
        self._start_sweeps(hooks)
        # Behind that: what this commits is not flushed yet, and must not count as such.
        self._start.once_written(lambda: self._begin(gone))
        self.transactions.timers.on_earlier = hooks.deadline_moved  # nobody listens before
        self.reserve.begin()
        self._tell_start(self.opened_at_ms)

    def _make_seen(self, cluster_id: str) -> SeenTopics:
        hearing = Hearing(self.config, cluster_id, self._tell_readers, self.commit.want)
        return SeenTopics(self.state, self._open_partitions, self._ledger.log, hearing)

    def _start_sweeps(self, hooks: Hooks) -> None:
        config = self.config
        self._retention = Retention(
            self.clock,
            self.partitions.values,
            LogStarts(
                self.state,
                self.commit,
                self.reserve,
                self._commit,
                is_flushed=config.durability != "memory",
            ),
            hooks,
            first_ms=config.log_initial_task_delay_ms,
            interval_ms=config.log_retention_check_interval_ms,
        )
        self._expiry = ProducerExpiry(
            self.clock,
            self.partitions.values,
            expiration_ms=lambda: self.config.producer_id_expiration_ms,
            interval_ms=config.producer_id_expiration_check_interval_ms,
            warn=hooks.warn,
        )
        self._deadlines.add(self._retention, self._expiry, self.reserve)

    def _make_groups(self, hooks: Hooks) -> Coordinator:
        groups = Coordinator(
            self.config,
            self._ledger,
            self._ledger.clock,
            self.world.random,
            hooks.deadline_moved,
            tell=hooks.tell,
            begin=self.work.begin_ahead,
        )
        self._deadlines.add(groups.timers)
        return groups

    def _make_transactions(self, hooks: Hooks, known: Known) -> Transactions:
        def refused(error: StorageError) -> None:
            self.trouble.refused(TRANSACTIONS_LOG, str(error), self.clock.monotonic_ms())

        transactions = Transactions(
            self.config,
            self._transactions_ledger,
            self.clock,
            self.new_producer_id,
            Participants(
                self.partition,
                self.groups.offsets_in_transactions,
                opened=lambda topic, index: self.partitions.get((topic, index)),
                appended=self._marked,
                pay=self.reserve.pay,
                now_ms=self.clock.now_ms,
            ),
            begin=self.work.begin_ahead,
            refused=refused,
        )
        self._deadlines.add(transactions.timers)
        storage, durability = self.world.storage, self.config.durability
        self._beginning = Beginning(
            transactions,
            storage,
            self.clock,
            hooks.warn,
            partitions=self.partitions.values,
            pending=self.groups.offsets_in_transactions.opened,
            is_whole=knows_all_decisions(storage, known, durability),
            refused=refused,
        )
        return transactions

    @property
    def running_config(self) -> RunningConfig:
        """The layers behind `config`, which is what they come to."""
        return running_config(self._started_with, self.state)

    @property
    def leader_epoch(self) -> int:
        """Stamped into batches; rises by one with every start."""
        return self._open_partitions.leader_epoch

    @property
    def metadata_end_offset(self) -> int:
        """Up to where the metadata log is durable; it only grows, over restarts as well."""
        return self._metadata.durable_end_offset

    def partition(self, topic: str, index: int) -> Partition | None:
        """A partition, opened if need be; None if there is none of that name and number."""
        return self._open_partitions.get(topic, index)

    def appended(self, partition: Partition) -> None:
        """A partition was appended to: readers and the flush must hear of it."""
        if self.trouble.is_on:
            self.trouble.written(self.clock.monotonic_ms())
        if partition.flushed:
            self.commit.written(partition)
            if partition.waiting is not None or (
                partition.committed is not None and partition.committed.waiting is not None
            ):
                self.commit.want()
            return
        if partition.log.has_rolled and self.config.durability == "page-cache":
            self.commit.written(partition)  # nobody waits; it keeps the next recovery short
            self.commit.want()
        if partition.waiting is not None or partition.committed is not None:
            self._tell_readers(partition)

    def _tell_readers(self, partition: Partition) -> None:
        """More can be read of a partition, or of what is committed there, or of neither."""
        self.parked.readable(partition)
        if partition.committed is not None and partition.committed.has_grown:
            self.parked.readable(partition.committed)

    def next_deadline_ms(self) -> int | None:
        """When `on_deadline` is due next, on the monotonic clock; None for never."""
        return self._deadlines.next_deadline_ms()

    def on_deadline(self, now_ms: int) -> None:
        """Do everything whose time has come, by the monotonic clock."""
        self._deadlines.on_deadline(now_ms)

    def begin_round(self) -> Round:
        """Start a round of flushes; `finish_round` or `commit.fail` must follow."""
        return self.commit.begin()

    def finish_round(self, round_: Round) -> None:
        """The files of a round are flushed: answer who waited, wake who reads."""
        if self.commit.has_failed:  # a flush outside of rounds, meanwhile
            self.commit.fail(round_)
            return
        partitions = [log for log, _ in round_.marks if isinstance(log, Partition)]
        each_alone(
            (
                lambda: self.restart.flushed((log.key, mark[0]) for log, mark in round_.marks),
                lambda: self.commit.finish(round_),
                lambda: each_alone(partitions, self._tell_readers, "waking readers"),
            ),
            call,
            "ending a round",
        )

    def when_durable(self, message: Any, refusal: Callable[[], Any]) -> Any:
        """A response that stands once all metadata is durable: itself, or a promise of it."""
        if self._metadata.is_durable:
            return message
        return self.commit.when_durable(message, refusal)

    def plan_topic(self, new: NewTopic) -> Topic | Refused:
        """What `new` would become, or why it cannot be; changes nothing."""
        if new.name in self._names_taken:
            return Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"{new.name} is being deleted")
        planned = plan_topic(new, self.state, self.config, self.world.random)
        if (
            isinstance(planned, Topic)
            and max(new.replication_factor, *map(len, new.assignments.values()), 1) > 1
        ):
            self._hooks.warn(
                f"topic {new.name}: replication factor {new.replication_factor} taken as 1; "
                "there is one broker (replication.factor.lenient)"
            )
        return planned

    def create_topics(self, topics: Sequence[Topic]) -> None:
        """Create planned topics, all or none; answer through `when_durable`.

        Raises:
            StorageError: none was created.
        """
        self._commit([topic_record(topic) for topic in topics])

    def add_partitions(self, counts: Mapping[str, int]) -> None:
        """Let topics grow to so many partitions in all. Raises StorageError: none grew."""
        topics = self.state.topics
        self._commit(
            [PartitionsRecord(topics[name].topic_id, count) for name, count in counts.items()]
        )

    def change_configs(self, records: Sequence[MetadataRecord]) -> None:
        """Take planned changes of configuration into force at once, all or none.

        Answer through `when_durable`. Raises StorageError: nothing was changed.
        """
        self._commit(records)
        self.config = self.running_config.effective()
        changed = [
            self.state.by_id(r.topic_id) for r in records if isinstance(r, TopicConfigRecord)
        ]
        if len(changed) < len(records):  # a broker's are those of every topic without its own
            changed = list(self.state.topics.values())
        self._open_partitions.configure(self.config, changed)
        self._expiry.warn_if_short()
        self._hooks.deadline_moved()

    def change_security(self, records: Sequence[MetadataRecord]) -> None:
        """Take planned changes of credentials and rules of access into force at once, all or none.

        Rules count for open connections, too. Answer through `when_durable`.
        Raises StorageError: nothing was changed.
        """
        self._commit(records)

    def delete_topics(self, names: Sequence[str]) -> Steps:
        """Delete topics with their records, in steps, durably before the last of them.

        The deletion is flushed before the first file goes: after a crash a topic is there with
        all its records or gone. Until its directories are out of the way its name is taken.

        Raises:
            StorageError: none was deleted.
            FlushFailed: whether they were is not known, or they were and their files stand in the
                way of new topics of their names; a start removes those.
        """
        topics = [self.state.topics[name] for name in names]
        records = [TopicDeletedRecord(each.topic_id) for each in topics]
        self.reserve.pay(lambda: self._commit(records))
        self._names_taken.update(names)
        for name in names:
            self.figures.topic_gone(name)
        self._flush_metadata()
        partitions = self._open_partitions.take_out(topics)
        for partition in partitions:
            self.figures.gone.add(partition)
            self.commit.forget(partition)
            self.parked.gone(partition)
            if partition.committed is not None:
                self.parked.gone(partition.committed)
            self.restart.deleted(partition.log)
        yield None
        try:
            doomed = yield from self._open_partitions.delete(partitions)
        except StorageError as error:
            self.commit.refuse_all()
            raise FlushFailed(error.path, error.why) from error
        yield from self.groups.offsets.forget_topics(names, self.reserve.pay)
        yield from self.transactions.forget_topics(names)
        self._names_taken.difference_update(names)
        left = yield from self._open_partitions.remove(doomed)
        self._forget_deleted([each.topic_id for each in topics if each.topic_id not in left])

    def _forget_deleted(self, topic_ids: Sequence[bytes]) -> None:
        """Nothing is left of these, durably: a directory that bears such an id is a copy."""
        if topic_ids:
            with suppress(StorageError):  # they stay on record; the next start looks again
                self._commit([DeletionsDoneRecord(tuple(topic_ids))])

    def _flush_topics(self) -> None:
        """Before a partition's directory is made, see directory/survey.py. Raises FlushFailed."""
        if not self._metadata.is_durable:
            self._flush_metadata()

    def _flush_metadata(self) -> None:
        try:
            self._metadata.flush()
        except FlushFailed:
            self.commit.refuse_all()
            raise
        self._note_metadata_flushed()

    def delete_records(self, partition: Partition, offset: int) -> int | Refused:
        """Let a partition begin at `offset`; answer through `when_durable`.

        Args:
            offset: -1 for the high watermark.
        Returns: where it begins now, which is further on if it did so already; or
            OFFSET_OUT_OF_RANGE, or POLICY_VIOLATION for a topic that is only compacted.
        Raises:
            StorageError: nothing was deleted.
        Source: Partition.deleteRecordsOnLeader, UnifiedLog.maybeIncrementLogStartOffset.
        """
        if not partition.config.deletes:
            return Refused(
                ErrorCode.POLICY_VIOLATION, "the topic's cleanup.policy does not name delete"
            )
        high_watermark = partition.high_watermark
        wanted = high_watermark if offset == HIGH_WATERMARK else offset
        if not 0 <= wanted <= high_watermark:
            return Refused(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"offset {offset} is not within 0 and the high watermark {high_watermark}",
            )
        if wanted > partition.log.log_start_offset:
            self._retention.begin_at({partition: wanted})
        return partition.log.log_start_offset

    def new_producer_id(self) -> int:
        """A producer id nobody has had."""
        return self._producer_ids.take()

    def _known_producer_ids(self) -> Iterator[int]:
        decided = self._transactions_ledger.state.producer_ids()
        return chain(self._open_partitions.producer_ids(), decided)

    def _marked(self, participant: object) -> None:
        if isinstance(participant, Partition):
            self.appended(participant)
            self.commit.want()  # a marker is of use when it is durable, whoever waits

    def close(self) -> None:
        """Close every log, flush, and leave the mark of a clean stop. Raises StorageError."""
        self.reserve.pay(self._close)

    def _close(self) -> None:
        self._ledger.clock.keep()
        self._ledger.log.log.close()
        self._transactions_ledger.log.log.close()
        self._metadata.log.close()
        own = (self._metadata, self._ledger.log, self._transactions_ledger.log)
        self._open_partitions.close([file for each in own for file in each.dirty_files()])
        self.restart.stopped(self.logs())

    def _note_metadata_flushed(self) -> None:
        self.restart.flushed([(self._metadata.key, self._metadata.durable_end_offset)])

    def logs(self) -> list[Log]:
        """Every log that is open, those of the broker first."""
        return [
            self._metadata.log,
            self._ledger.log.log,
            self._transactions_ledger.log.log,
            *(each.log for each in self.partitions.values()),
        ]

    def _commit(self, records: Sequence[MetadataRecord]) -> None:
        self._start.write()
        now_ms = self.clock.now_ms()
        told = told_changes(records, self.state)
        self._metadata.commit(records, now_ms)
        for event in told:
            self._hooks.tell(event)
        self._metadata.rewrite_a_little(now_ms)
        if self.config.durability == "memory":
            self._metadata.made_durable(self._metadata.mark())
        else:
            self.commit.written(self._metadata)

    def _begin(self, gone: Sequence[bytes]) -> None:
        self._open_partitions.begin()
        self.seen.of_groups.leader_epoch = self.leader_epoch
        self._ledger.is_writable = True
        self._transactions_ledger.is_writable = True
        self._forget_deleted(gone)
        with suppress(NoSpace):  # the next start tries again
            self.groups.offsets.forget_topics_but(self.seen.ids())
        self._beginning.begin()

    def _tell_start(self, opened_at_ms: int) -> None:
        self.figures.start_ms = took_ms = self.clock.monotonic_ms() - opened_at_ms
        self._hooks.tell(data_opened(self.state, self.groups.roster.count, self.logs(), took_ms))

    def _report_recovery(self, directory: str, report: RecoveryReport | None) -> None:
        if report is not None:
            self._hooks.warn(Event("log-recovered", directory=directory, found=report))
