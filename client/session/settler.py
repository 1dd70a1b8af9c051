"""EDGE: does what settling.py asks for, until every open batch of a partition has its outcome.

Whatever passes (leaders that move, brokers that are down, answers that do not come) is waited for
with backoff, for as long as the caller likes: `problems` says why a partition is pending, which is
not the same as unsettled. A topic that is gone, or another one of its name, has to be seen for
GONE_AFTER_MS: brokers that have just started know less.
Read first: settling.py, looking.py (EDGE), which asks and sends.
Tests: tests/system/client/session/test_settling.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random
from types import MappingProxyType
from typing import Final, TypeVar

from ..cluster.backoff import backoff_ms
from ..cluster.cluster import Cluster
from ..config import ConnectionConfig
from ..errors import ConnectionFailed, RequestTimedOut, Retriable
from ..partitions import NO_EPOCH, TopicPartition, name_of
from ..produce.batch import NO_PRODUCER_ID
from . import instants
from .instants import Instant
from .log_scan import LogScan
from .looking import Looking
from .open_batch import NO_SEQUENCE, Floor, OpenBatch
from .outcomes import Outcome, Refused, Stored
from .settling import AskLeader, Listed, Look, Presence, ReadLog, Settling, check_not_beyond

P = TypeVar("P")
T = TypeVar("T")
GONE_AFTER_MS: Final = 10_000.0


def _ignore(outcome: Outcome) -> None:
    """Whoever waits for all outcomes needs no single one."""


class Settler:
    """Settles what is open, for one client.

    Args:
        gone_after_ms: how long a topic has to be away, or another one in its place.

    Attributes:
        problems: why a partition is not settled yet, in words, by partition.
        gone_after_ms: as given.
    """

    def __init__(
        self,
        config: ConnectionConfig,
        cluster: Cluster,
        random: Random,
        gone_after_ms: float = GONE_AFTER_MS,
    ) -> None:
        self._config = config
        self._random = random
        self.gone_after_ms = gone_after_ms
        self._looking = Looking(config, cluster)
        self._missed: dict[TopicPartition, tuple[Presence, float]] = {}  # since when, in ms
        self.problems: dict[TopicPartition, str] = {}

    async def settle(
        self,
        batches: Sequence[OpenBatch],
        floors: Mapping[int, Floor],
        told_absent: Collection[int] = (),
        on_outcome: Callable[[Outcome], None] = _ignore,
        shut_out_below: Mapping[int, int] = MappingProxyType({}),
    ) -> list[Outcome]:
        """What has become of the open batches of one partition, in their order.

        Waits as long as it takes; cancel it to stop. A batch without an outcome stands behind one
        that is not stored yet: settle it again when that is.

        Args:
            floors: by producer id.
            told_absent: numbers of batches that their owner says are not stored.
            on_outcome: called as soon as an outcome is known.
            shut_out_below: by producer id, epochs that can store nothing any more in here.

        Raises:
            StaleJournal: the partition holds more than the journal.
            Fatal: the client has ended.
        """
        outcomes: list[Outcome] = []
        try:
            for (producer_id, _), run in groupby(batches, _identity):
                below = shut_out_below.get(producer_id, 0)
                settling = Settling([*run], floors[producer_id], told_absent, below)
                in_doubt = [each for each in batches if each.producer_id == producer_id]
                await self._run(settling, floors[producer_id], in_doubt, on_outcome)
                outcomes += settling.outcomes
                # What is not stored yet goes first, and then what stands behind it.
                if not all(isinstance(each, Stored | Refused) for each in settling.outcomes):
                    break
        finally:
            place = batches[0].place
            self.problems.pop(place, None)
            self._missed.pop(place, None)
        return outcomes

    async def find_stale(
        self, floors: Iterable[Floor], timeout_ms: float, marked_id: int = NO_PRODUCER_ID
    ) -> list[Floor]:
        """Ask what partitions remember of a journal's producer ids, before anything is sent.

        Those that are gone, or may not be looked at, have nothing to say.

        Args:
            marked_id: a producer id whose owners write markers: one by itself says nothing.

        Returns: the floors of partitions that could not be asked in time.

        Raises:
            StaleJournal: one of them holds more than the journal.
        """
        unasked = {(floor.place, floor.producer_id): floor for floor in floors}
        try:
            async with asyncio.timeout(timeout_ms / 1000) as timeout:
                attempts = 0
                while unasked:
                    places = {place for place, _ in unasked}
                    for place, known in (await self._looking.producers(places)).items():
                        for floor in [each for each in unasked.values() if each.place == place]:
                            listed = known.get(floor.producer_id)
                            if listed is not None and not _is_marker(floor, listed, marked_id):
                                check_not_beyond(floor, listed)
                            del unasked[place, floor.producer_id]
                    if unasked:
                        await self._back_off(attempts)
                        attempts += 1
        except TimeoutError:
            if not timeout.expired():
                raise
        return [*unasked.values()]

    async def ends(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Where logs end now; those that are gone, or may not be looked at, are left out."""
        found = {}
        for place in places:
            end = await self._until_told(self._looking.end_of, place)
            if end is not None:
                found[place] = end
        return found

    async def unmarked(
        self, places: Iterable[TopicPartition], producer_id: int, producer_epoch: int
    ) -> set[TopicPartition]:
        """Partitions that remember an older epoch than this one: no marker of it is there."""
        left, found, attempts = {*places}, set(), 0
        while left:
            told = await self._looking.producers(left)
            for place, known in told.items():
                if producer_id in known and known[producer_id].producer_epoch < producer_epoch:
                    found.add(place)
            left -= told.keys()
            if left:
                await self._back_off(attempts)
                attempts += 1
        return found

    async def find_late(self, floors: Iterable[Floor], since: Mapping[TopicPartition, int]) -> None:
        """Read what was appended since, of producer ids that are shut out by now.

        Raises:
            StaleJournal: a partition holds more than the journal.
        """
        for floor in floors:
            if floor.place not in since:
                continue
            read = replace(floor, offset=since[floor.place], leader_epoch=NO_EPOCH)
            scan = await self._until_told(self._read_all, read)
            for span in scan.spans:
                check_not_beyond(floor, Listed(span.producer_epoch, span.last_sequence))

    async def _read_all(self, floor: Floor) -> LogScan:
        return await self._read(floor, (), ())

    async def _until_told(self, ask: Callable[[P], Awaitable[T]], about: P) -> T:
        """The answer to a question, whatever passes meanwhile."""
        attempts = 0
        while True:
            try:
                return await ask(about)
            except (Retriable, ConnectionFailed, RequestTimedOut):
                await self._back_off(attempts)
                attempts += 1

    async def _run(
        self,
        settling: Settling,
        floor: Floor,
        in_doubt: Sequence[OpenBatch],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        told = attempts = 0
        while (step := settling.step()) is not None:
            try:
                instants.at(Instant.SETTLING)
                if isinstance(step, AskLeader):
                    settling.looked(self._patiently(floor, await self._looking.look(floor)))
                elif isinstance(step, ReadLog):
                    settling.scanned(await self._read(floor, step.until, in_doubt))
                else:
                    answer = await self._looking.send(step.batch)
                    instants.at(Instant.SETTLING)
                    settling.answered(step.batch, answer)
                    if answer is None or answer.code:
                        problem = "no answer came" if answer is None else answer.code.text
                        raise Retriable(f"{step.batch.describe()}: {problem}")
                    attempts = 0
            except (Retriable, ConnectionFailed, RequestTimedOut) as error:
                self.problems[floor.place] = str(error)
                settling.look_again()
                if settling.step() is not None:
                    await self._back_off(attempts)
                attempts += 1
            for outcome in settling.outcomes[told:]:
                on_outcome(outcome)
            told = len(settling.outcomes)
        for outcome in settling.outcomes[told:]:
            on_outcome(outcome)

    async def _read(
        self, floor: Floor, until: Sequence[OpenBatch], in_doubt: Sequence[OpenBatch]
    ) -> LogScan:
        scan = await self._looking.begin_reading(floor, until, in_doubt)
        attempts = 0
        while not isinstance(scan, LogScan):
            moved = scan.scanning.position
            scan = await self._looking.read_on(scan)
            if not isinstance(scan, LogScan) and scan.scanning.position == moved:
                await self._back_off(attempts)  # the high watermark lags behind
                attempts += 1
        return scan

    def _patiently(self, floor: Floor, look: Look) -> Look:
        """Raise Retriable for what brokers that have just started say as well."""
        place = floor.place
        if look.presence not in (Presence.GONE, Presence.MADE_AGAIN):
            self._missed.pop(place, None)
            return look
        now_ms = asyncio.get_running_loop().time() * 1000
        presence, since_ms = self._missed.get(place, (look.presence, now_ms))
        if presence is not look.presence:
            since_ms = now_ms
        self._missed[place] = look.presence, since_ms
        if now_ms - since_ms < self.gone_after_ms:
            raise Retriable(f"{name_of(place)}: {look.said}")
        return look

    async def _back_off(self, attempts: int) -> None:
        config = self._config
        initial_ms, max_ms = config.retry_backoff_ms, config.retry_backoff_max_ms
        await asyncio.sleep(backoff_ms(initial_ms, max_ms, attempts, self._random) / 1000)


def _is_marker(floor: Floor, listed: Listed, marked_id: int) -> bool:
    return floor.producer_id == marked_id and listed.last_sequence == NO_SEQUENCE


def _identity(batch: OpenBatch) -> tuple[int, int]:
    return batch.producer_id, batch.producer_epoch
