"""What stands in the data directory: every entry judged before a start changes anything.

    opens     directories of partitions that the metadata log knows
    doomed    what a deletion that is on record has left: removed
    foreign   what is not ours: left alone, and named once
    unknown   partitions that nobody knows: they stay, and the start refuses (`UnknownPartitions`)

Nothing is removed, renamed or taken over because it is not known (docs/decisions/0011). What makes
that possible: a topic is durable before its first directory is made, and of a deleted one every
directory is durably renamed before its name can be used again. So no crash, and no power loss,
leaves a directory whose topic is not on record, or one under the name of another topic.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from ..cluster.metadata import ClusterMetadata, Topic
from ..cluster.topics import draw_topic_id
from ..log.identity import (
    DELETED_SUFFIX,
    METADATA_NAME,
    STRAY_SUFFIX,
    deleted_id,
    read_topic_id,
)
from ..log.recovery import segment_offsets
from ..storage.data_directory import OwnerMark, check_cluster, write_mark
from ..storage.names import FILES, META_PROPERTIES, STATE_LOGS
from ..storage.port import DirectoryRefused, NoSpace, Storage, StorageError, log_command
from ..world import World
from .restart import Restart

OF_THE_BROKER: Final = frozenset(
    (
        *(*STATE_LOGS, META_PROPERTIES, *FILES),
        *(".lock", "lost+found"),
    )
)
_PARTITION: Final = re.compile(r"(.+)-(\d+)", re.DOTALL)
_SHOWN_MAX: Final = 5
_FOREIGN_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Unknown:
    """A partition's directory that no topic owns, and why not."""

    directory: str
    why: str


class UnknownPartitions(DirectoryRefused):
    """Partitions are there that the metadata log does not know; the text names two ways out."""

    def __init__(self, root: str, unknown: Sequence[Unknown]) -> None:
        shown = "; ".join(f"{each.directory}: {each.why}" for each in unknown[:_SHOWN_MAX])
        more = f"; and {len(unknown) - _SHOWN_MAX} more" if len(unknown) > _SHOWN_MAX else ""
        one = (unknown[0].directory,) if len(unknown) == 1 else ("--all",)
        super().__init__(
            f"{root} holds partitions that this broker does not know ({shown}{more}). They may be "
            "all that is left of a topic, so nothing was removed. To take them for topics of this "
            f"broker: {log_command('adopt', root, *one)}; to start without them, and keep them "
            f"for later: {log_command('set-aside', root, *one)}"
        )
        self.unknown = unknown


@dataclass(slots=True)
class Survey:
    """What a start is to do.

    Args:
        opens: partitions with files.
        unnamed: directories of those whose topic id is to be written anew.
        deleted: directories of deleted topics that still bear their own name, with the id.
        doomed: directories of deleted topics that have been renamed.
        foreign: entries that are left alone, and why they are no partitions.
    """

    opens: list[tuple[Topic, int]] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    deleted: list[tuple[str, bytes]] = field(default_factory=list)
    doomed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)


def survey(
    storage: Storage, state: ClusterMetadata, restart: Restart, *, was_marked: bool
) -> Survey:
    """Judge every entry; nothing is changed.

    Args:
        was_marked: every start so far has kept the rules above, as those of 0.1.0 did not.
    Raises:
        StorageError: the disk, or a partition that is known, cannot be read.
    """
    found = Survey()
    look = _Look(storage, state, restart, found, was_marked)
    for name in storage.list_dir(""):
        if name not in OF_THE_BROKER and not name.endswith(STRAY_SUFFIX):
            look.at(name)
    return found


def claim(
    world: World,
    mark: OwnerMark | None,
    state: ClusterMetadata,
    restart: Restart,
    *,
    node_id: int,
    warn: Callable[[str], None],
) -> tuple[str, Survey]:
    """Take a data directory for this broker, before anything but its own checkpoints is written.

    Args:
        mark: what owner_mark() has found.
        state: as the metadata log says.
    Returns: the cluster id, and what the start is to do.
    Raises:
        DirectoryRefused: something in it is not known; it stays as it is.
        StorageError: it cannot be read or written.
    """
    storage = world.storage
    if mark is not None:
        check_cluster(storage, mark, state.cluster_id)
    found = survey(storage, state, restart, was_marked=mark is not None)
    if found.unknown:
        raise UnknownPartitions(storage.full_path(""), found.unknown)
    if found.foreign:
        shown = ", ".join(found.foreign[:_FOREIGN_SHOWN])
        if len(found.foreign) > _FOREIGN_SHOWN:
            shown += f" and {len(found.foreign) - _FOREIGN_SHOWN} more"
        warn(f"left alone, because it is not of this broker: {shown}")
    if mark is None:
        cluster_id = state.cluster_id or drawn_id(world.random)
        mark = OwnerMark(cluster_id, node_id, drawn_id(world.random))
        # A directory of 0.1.0 on a full disk is still read; the next start marks it.
        with suppress(NoSpace) if state.cluster_id else nullcontext():
            write_mark(storage, mark)
    elif mark.node_id != node_id:
        warn(f"the data directory was that of node.id {mark.node_id}; from now on it is {node_id}")
        with suppress(NoSpace):
            write_mark(storage, replace(mark, node_id=node_id))
    return mark.cluster_id, found


def drawn_id(random: Random) -> str:
    """A new cluster or directory id, 22 characters."""
    return urlsafe_b64encode(draw_topic_id(random)).decode().rstrip("=")


def partition_of(name: str) -> tuple[str, int] | None:
    """Topic and number in the name of a partition's directory; None for another name."""
    parts = _PARTITION.fullmatch(name)
    # 007 is no number of ours: two directories would be the same partition.
    return (parts[1], int(parts[2])) if parts and str(int(parts[2])) == parts[2] else None


def unknown_partitions(storage: Storage, state: ClusterMetadata, restart: Restart) -> Iterator[str]:
    """The directories that a start would refuse."""
    for unknown in survey(storage, state, restart, was_marked=True).unknown:
        yield unknown.directory


class _Look:
    """One look around; what is found goes into a Survey."""

    def __init__(
        self,
        storage: Storage,
        state: ClusterMetadata,
        restart: Restart,
        found: Survey,
        was_marked: bool,
    ) -> None:
        self._storage = storage
        self._state = state
        self._restart = restart
        self._found = found
        self._was_marked = was_marked
        self._deleted_names = {
            (each.name, index): topic_id
            for topic_id, each in state.deleted.items()
            for index in range(each.partition_count)
        }

    def at(self, name: str) -> None:
        if name.endswith(DELETED_SUFFIX):
            is_recorded = deleted_id(name) in self._state.deleted
            (self._found.doomed if is_recorded else self._found.foreign).append(name)
            return
        place = partition_of(name)
        topic = self._state.topics.get(place[0]) if place else None
        if place is None:
            self._found.foreign.append(name)
        else:
            self._at_directory(name, topic, place)

    def _at_directory(self, name: str, topic: Topic | None, place: tuple[str, int]) -> None:
        found, storage = self._found, self._storage
        is_known = topic is not None and place[1] < topic.partition_count
        try:
            topic_id = read_topic_id(storage, name)
            if topic is not None and is_known and topic_id == topic.topic_id:
                found.opens.append((topic, place[1]))
                return
            names = storage.list_dir(name) if storage.is_dir(name) else []
        except StorageError:
            if is_known:
                raise
            names, topic_id = [], None
        has_records = bool(segment_offsets(names))
        if not has_records and METADATA_NAME not in names and not is_known:
            found.foreign.append(name)  # no partition, whatever its name looks like
        elif topic_id is None:
            self._at_nameless(name, topic if is_known else None, place, has_records=has_records)
        elif topic_id in self._state.deleted:
            found.deleted.append((name, topic_id))
        elif topic is not None and topic_id == topic.topic_id:
            self._unknown(name, f"topic {topic.name} has {topic.partition_count} partitions")
        elif topic_id in self._state.names_by_id:
            other = self._state.names_by_id[topic_id]
            self._unknown(name, f"it bears the id of topic {other}, and another name")
        else:
            self._unknown(name, f"no topic has its id, {topic_id.hex()}")

    def _at_nameless(
        self, name: str, topic: Topic | None, place: tuple[str, int], *, has_records: bool
    ) -> None:
        """Judge a directory that does not say whose it is: its file is missing or spoilt.

        An id is flushed with the first batch, so a power loss may take it from records that nobody
        was promised. Directories are durably renamed before their name can be used again: what
        bears the name of a topic that is there is its own, and else that of one that is deleted.
        """
        deleted = self._deleted_names.get(place)
        if topic is not None:
            flushed_offset = self._restart.known(name, topic.topic_id).flushed_offset
            if has_records and flushed_offset == 0 and not self._was_marked:
                # 0.1.0 renamed without a flush: 1. a topic deleted, renamed, its files removed
                # 2. its successor made  3. power lost: only the removal of the id was durable.
                self._unknown(name, "it does not say whose it is")
                return
            if has_records or METADATA_NAME in self._storage.list_dir(name):
                self._found.unnamed.append(name)
            self._found.opens.append((topic, place[1]))
        elif deleted is not None:
            self._found.deleted.append((name, deleted))
        elif has_records:
            self._unknown(name, "it does not say whose it is, and no topic has its name")
        else:
            self._found.foreign.append(name)

    def _unknown(self, name: str, why: str) -> None:
        self._found.unknown.append(Unknown(name, why))
