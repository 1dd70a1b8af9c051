"""The record of a start: durable before this broker appends anything to any log.

    1. start 7 is not written, for the disk is full   2. a batch is stored with its leader epoch, 6
    3. the next start is the seventh, too, and writes other batches with that epoch behind a cut
    4. whatever tells lives apart by the epoch (snapshots, consumers) takes one for the other

So on a full disk, if even the reserve cannot pay for it, a broker only reads until there is room.
Tests: tests/unit/broker/directory/test_survey.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from ..cluster.metadata import FORMAT_VERSION, ClusterMetadata, format_record
from ..cluster.records import MetadataRecord, StartedRecord
from ..log.log import Log
from ..log.state_log import StateLog
from ..log_lines import Event, Line
from ..storage.port import NoSpace
from ..world import World
from .reserve import Reserve


class Start:
    """The start of one broker, written at once if there is room, else as soon as there is.

    Args:
        warn: takes one line for the operator.
        cluster_id: of the data directory.
    Raises:
        StorageError: the disk cannot be written, or is full while there is nothing to read, either.
    """

    def __init__(
        self,
        log: StateLog[MetadataRecord],
        state: ClusterMetadata,
        world: World,
        reserve: Reserve,
        warn: Callable[[Line], None],
        *,
        cluster_id: str,
    ) -> None:
        self._log = log
        self._state = state
        self._world = world
        self._reserve = reserve
        self._cluster_id = cluster_id
        self._is_written = False
        self._then: Callable[[], None] | None = None
        try:
            self.write()
        except NoSpace as error:
            if not state.cluster_id:
                raise
            warn(Event("read-only", why=error, until="there is room to write down this start"))
            reserve.on_room = self._write_late

    def write(self) -> None:
        """Write it, durably, unless that is done. Raises StorageError: nothing was written."""
        if self._is_written:
            return
        self._reserve.pay(self._commit)
        self._log.flush()
        self._is_written = True
        self._reserve.on_room = None
        if self._then is not None:
            self._then()

    def once_written(self, then: Callable[[], None]) -> None:
        """Call `then` now, or as soon as it is written."""
        if self._is_written:
            then()
        else:
            self._then = then

    def _write_late(self) -> None:
        with suppress(NoSpace):
            self.write()

    def _commit(self) -> None:
        state = self._state
        records: list[MetadataRecord] = []
        if state.format_version < FORMAT_VERSION:
            records.append(format_record(self._cluster_id))
        records.append(StartedRecord(state.start_count + 1))
        self._log.commit(records, self._world.clock.now_ms())


def data_opened(state: ClusterMetadata, groups: int, logs: Iterable[Log], took_ms: int) -> Event:
    """What the log says of a start.

    Args:
        groups: how many there are.
    """
    return Event(
        "data-opened",
        start=state.start_count,
        cluster_id=state.cluster_id,
        topics=len(state.topics),
        partitions=state.partition_count,
        groups=groups,
        recovered_logs=sum(each.recovery is not None for each in logs),
        took_ms=took_ms,
    )
