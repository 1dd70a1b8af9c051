"""What people decide about logs that a start refuses: adopt them, or set them aside. Offline.

    adopt        take what a log holds for all there was: its topic is known again, with its id
    set aside    start without it: its directory gets a name that nobody reads

Both move and record, and never delete. Each can be repeated after a crash in the middle of it. What
they are for: survey.py (partitions nobody knows), storage/port.py (DamagedLog, ShortLog).
Tests: tests/unit/broker/directory/test_survey.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final

from ..cluster.metadata import ClusterMetadata, Topic, format_record, topic_record
from ..cluster.records import MetadataRecord, PartitionsRecord
from ..cluster.topic_names import name_refusal
from ..cluster.topics import draw_topic_id
from ..log.checkpoints import log_key
from ..log.identity import (
    DELETED_SUFFIX,
    METADATA_NAME,
    STRAY_SUFFIX,
    metadata_text,
    read_topic_id,
)
from ..log.log import Log, LogConfig
from ..log.recovery import Known
from ..log.state_log import StateLog
from ..storage.data_directory import check_cluster, owner_mark, write_mark
from ..storage.names import ADOPTED_TRANSACTIONS, METADATA_LOG, STATE_LOGS, TRANSACTIONS_LOG
from ..storage.overlay import Overlay
from ..storage.port import DirectoryRefused, Storage
from .restart import Restart
from .survey import drawn_id, partition_of, unknown_partitions

_NAME_MAX: Final = 240  # leaves room for the suffix in a file name
_STRAY: Final = re.compile(r"(.+)\.\d+" + STRAY_SUFFIX, re.DOTALL)


class NotDone(DirectoryRefused):
    """What was asked cannot be done; the text says why, and nothing was changed."""


class Adoption:
    """Decisions about one data directory that no broker uses.

    Args:
        storage: locked.
        warn: takes one line for the operator.
    Raises:
        DirectoryRefused: it is no data directory of ours.
        StorageError: it cannot be read or written.
    """

    def __init__(
        self, storage: Storage, now_ms: int, random: Random, warn: Callable[[str], None]
    ) -> None:
        self._storage = storage
        self._now_ms = now_ms
        self._random = random
        self._mark = owner_mark(storage)
        self._restart = Restart(storage, warn)

    def unknown(self) -> list[str]:
        """The directories that a start would refuse. Raises DamagedLog, MetadataError."""
        return [*unknown_partitions(self._storage, self._metadata()[1], self._restart)]

    def set_aside(self, names: Sequence[str]) -> list[str]:
        """Rename directories of logs, so that a start does without them; a line about each.

        Raises NotDone, StorageError.
        """
        for name in map(_checked, names):
            is_deleted = name.endswith(DELETED_SUFFIX) and self._storage.is_dir(name)
            if not is_deleted and name not in STATE_LOGS and partition_of(name) is None:
                raise NotDone(f"{name} is no directory of a log; nothing was set aside")
        return [self._set_one_aside(name) for name in names]

    def _set_one_aside(self, name: str) -> str:
        storage, aside, number = self._storage, "", 0
        is_there = storage.is_dir(name)
        if is_there:
            while storage.exists(aside := f"{name[:_NAME_MAX]}.{number}{STRAY_SUFFIX}"):
                number += 1
            storage.rename(name, aside)
            storage.flush_names()
        self._note_decisions_lost(name)
        missed = self._restart.give_up(name)  # second: done again, it finishes what a crash left
        if not is_there and not missed:
            return f"{name}: it is not there, and nothing misses it"
        what = f"set aside as {aside}" if is_there else "it is not there"
        return f"{name}: {what}; a start will do without it" + (
            f" and the {missed} offsets that had been flushed" if missed else ""
        )

    def adopt(self, names: Sequence[str]) -> list[str]:
        """Take logs for what they are; a line about each.

        Partitions of topics that are not known make them known, with the id they bear and as many
        partitions as are adopted. What the logs hold counts as flushed from now on.

        Raises:
            NotDone: one of them cannot be adopted; none was.
            DamagedLog: one is damaged.
            MetadataError: the metadata log is of a newer version.
            StorageError.
        """
        names = [self._moved_back(_checked(name)) for name in names]
        lines = [self._adopt_state_log(name) for name in names if name in STATE_LOGS]
        partitions = [name for name in names if name not in STATE_LOGS]
        if not partitions:
            return lines
        log, state = self._metadata()
        plan = _Plan(self._storage, state, self._random)
        for name in partitions:
            plan.add(name)
        # First what had been flushed, lest a start cut from these logs; the topics last of all.
        self._restart.take_as_is(plan.ends)
        for name, topic_id in plan.to_name.items():
            self._storage.replace(f"{name}/{METADATA_NAME}", metadata_text(topic_id))
        records = plan.records
        if not state.cluster_id:
            cluster_id = self._mark.cluster_id if self._mark else drawn_id(self._random)
            records.insert(0, format_record(cluster_id))
        if records:
            log.commit(records, self._now_ms)
        log.flush()
        log.log.close()
        return [*lines, *plan.lines]

    def _moved_back(self, name: str) -> str:
        """The name of a directory; one that was set aside gets its own name back."""
        found = _STRAY.fullmatch(name)
        if found is None or not self._storage.is_dir(name):
            return name
        own = found[1]
        if self._storage.exists(own):
            raise NotDone(f"{name} cannot be {own} again: that one is there; set it aside first")
        if len(own) == _NAME_MAX:
            raise NotDone(f"{name}: its own name was longer; rename it yourself, then adopt it")
        self._storage.rename(name, own)
        self._storage.flush_names()
        return own

    def _adopt_state_log(self, name: str) -> str:
        end_offset = _end_of(self._storage, name, None)
        self._note_decisions_lost(name)
        self._restart.take_as_is({log_key(name, None): end_offset})
        if name == METADATA_LOG and self._mark is not None:
            cluster_id = self._state_log()[1].cluster_id
            if cluster_id:
                self._mark = replace(self._mark, cluster_id=cluster_id)
                write_mark(self._storage, self._mark)
        return f"{name}: taken as it is, with {end_offset} offsets"

    def _note_decisions_lost(self, name: str) -> None:
        """The log of transactions may lack what was decided: a start must not infer an abort."""
        if name == TRANSACTIONS_LOG:
            self._storage.replace(ADOPTED_TRANSACTIONS, b"")

    def _metadata(self) -> tuple[StateLog[MetadataRecord], ClusterMetadata]:
        """The metadata log of this directory, which may be one that was just set aside: empty."""
        log, state = self._state_log()
        if self._mark is not None:
            check_cluster(self._storage, self._mark, state.cluster_id)
        return log, state

    def _state_log(self) -> tuple[StateLog[MetadataRecord], ClusterMetadata]:
        state = ClusterMetadata()
        known = self._restart.known(METADATA_LOG, None)
        log = StateLog(self._storage, METADATA_LOG, state, self._now_ms, known)
        return log, state


class _Plan:
    """What adopting partitions will change; each is looked at before anything is."""

    def __init__(self, storage: Storage, state: ClusterMetadata, random: Random) -> None:
        self.ends: dict[str, int] = {}
        self.to_name: dict[str, bytes] = {}
        self.lines: list[str] = []
        self._storage = storage
        self._state = state
        self._random = random
        self._counts: dict[bytes, int] = {}
        self._new: dict[str, Topic] = {}

    @property
    def records(self) -> list[MetadataRecord]:
        """For the metadata log."""
        grown = (PartitionsRecord(*counted) for counted in self._counts.items())
        return [*map(topic_record, self._new.values()), *grown]

    def add(self, name: str) -> None:
        """Look at one more directory. Raises NotDone, DamagedLog, StorageError."""
        place = partition_of(name)
        if place is None or not self._storage.is_dir(name):
            raise NotDone(f"{name} is no directory of a partition; nothing was adopted")
        (topic_name, index), bears_id = place, read_topic_id(self._storage, name)
        known = self._state.topics.get(topic_name)
        topic = known or self._new.get(topic_name) or self._new_topic(name, topic_name, bears_id)
        count = self._counts.get(topic.topic_id, topic.partition_count)
        if known is None:
            topic.partition_count = max(count, index + 1)
        elif index >= count:
            self._counts[topic.topic_id] = index + 1
        if bears_id != topic.topic_id:
            self.to_name[name] = topic.topic_id
        removed_offset = topic.removed.get(index, 0)
        end_offset = _end_of(self._storage, name, topic.topic_id, removed_offset)
        self.ends[log_key(name, topic.topic_id)] = end_offset
        self.lines.append(
            f"{name}: taken as it is, with {end_offset} offsets, as partition {index} of the "
            f"{'topic' if known else 'new topic'} {topic_name} ({topic.topic_id.hex()})"
        )

    def _new_topic(self, name: str, topic_name: str, bears_id: bytes | None) -> Topic:
        why = name_refusal(topic_name)
        if why is not None:
            raise NotDone(f"{name}: {why}; nothing was adopted")
        owner = self._state.names_by_id.get(bears_id) if bears_id else None
        if owner is not None:
            raise NotDone(
                f"{name} bears the id of topic {owner}: rename it to {owner}-N if it is its "
                "partition N, or set it aside; nothing was adopted"
            )
        topic_id = bears_id or draw_topic_id(self._random)
        topic = self._new[topic_name] = Topic(topic_name, topic_id, 0, {})
        return topic


def _checked(name: str) -> str:
    if "/" in name:
        raise NotDone(f"{name}: name directories as they are called in the data directory, no path")
    return name


def _end_of(
    storage: Storage, directory: str, topic_id: bytes | None, removed_offset: int = 0
) -> int:
    """Where a log ends, read whole; a torn tail does not count. Raises DamagedLog, StorageError."""
    if not storage.is_dir(directory):
        raise NotDone(f"{directory} is not there; nothing was adopted")
    view = Overlay(storage)  # nothing is cut here: a start does that, and says so
    known = Known(reads_all=True, removed_offset=removed_offset)
    log = Log.open(view, directory, LogConfig(), lambda header: None, topic_id, known=known)
    log.close()
    return log.log_end_offset
