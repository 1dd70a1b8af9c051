"""EDGE: compares two Kafkas: what they say of themselves first, then their logs, side by side.

    comparison = Comparison(side_a, side_b, Wanted())
    await comparison.run()
    comparison.found, comparison.records

Some partitions are read at a time, each one batch ahead on both sides; what is in memory is bounded
by their number, not by what they hold. A comparison that has run can run again: it goes on behind
what was the same, which is how a mirror that is catching up is followed.
Read first: pairing.py.
Tests: tests/system/commands/test_compare.py
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...client.admin import TopicDescription
from ...client.errors import ClientError
from ...client.partitions import TopicPartition, name_of
from ..terminal.running import CommandFailed, WrongUsage
from . import state_file
from .described import Properties, configs_apart, is_of_users, positions_apart, topics_apart
from .differences import Difference, Found, Kind
from .log_reader import LogReader, StartMoved
from .pairing import SIDES, A, B, Pairing, Verified
from .pieces import Unreadable
from .side import Committed, Side, Unreachable

AT_ONCE = 4  # partitions; two answers of FETCH_BYTES each, and one decoded batch of both sides
SAVED_EVERY_S = 2.0
TOLD_EVERY_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared, and how.

    Args:
        topics, groups: None for all there are; of topics those that users have made.
        by_order: the n-th record with the n-th, for a mirror; else those of the same offset.
        may_go_on: sides that may have more records at their ends.
        state: where it is written down how far all is verified.
        with_positions: whether groups are compared.
    """

    topics: Collection[str] | None = None
    groups: Collection[str] | None = None
    by_order: bool = False
    may_go_on: tuple[bool, bool] = (False, False)
    state: Path | None = None
    at_once: int = AT_ONCE
    with_positions: bool = True


@dataclass(slots=True)
class Log:
    """One partition that is on both sides, as of the newest run.

    Attributes:
        extents: (start, end) in A and in B.
        pairing: None before it is read.
        tombstones_before_ms: as Pairing takes it.
    """

    place: TopicPartition
    ids: str
    extents: tuple[tuple[int, int], tuple[int, int]]
    verified: Verified
    tombstones_before_ms: tuple[int | None, int | None]
    pairing: Pairing | None = None
    found: Found = field(default_factory=Found)


class Comparison:
    """Two sides, and what is known of where they differ.

    Attributes:
        found: of the newest run.
        topics: those on both sides that are compared.
        logs: the partitions on both sides.
        groups: what groups have committed, by side.
        records: how many are the same, in all.
        on_progress: called with records looked at, now and then.
    """

    def __init__(self, a: Side, b: Side, wanted: Wanted) -> None:
        self.sides = (a, b)
        self.wanted = wanted
        self.found = Found()
        self.topics: list[str] = []
        self.logs: dict[TopicPartition, Log] = {}
        self.groups: tuple[Mapping[str, Committed], Mapping[str, Committed]] = ({}, {})
        self.on_progress: Callable[[int, int], None] = lambda done, total: None
        self._key = {
            "a": a.cluster_id,
            "b": b.cluster_id,
            "by": "order" if wanted.by_order else "offset",
            "isolation": "committed" if a.isolation else "all",
        }
        self._kept: dict[TopicPartition, tuple[str, Verified]] = {}
        if wanted.state is not None:
            self._kept = state_file.load(wanted.state, self._key)
        self._tombstones: dict[str, tuple[int | None, int | None]] = {}
        self._total = 0
        self._saved_at = self._told_at = 0.0

    @property
    def records(self) -> int:
        """How many records are the same."""
        return sum(log.verified.records for log in self.logs.values())

    async def run(self) -> None:
        """Compare all.

        Raises:
            Unreachable: a side did not give what is needed; what is verified by then is kept.
            WrongUsage: a topic or a group that is named is on neither side.
        """
        self.found = Found()
        try:
            await self._compare_descriptions()
            if self.wanted.with_positions:
                self.groups = await self._both(lambda side: side.groups(self.wanted.groups))
            await self._compare_logs()
            if self.wanted.with_positions:
                self._compare_positions()
        except ClientError as error:
            raise Unreachable(str(error)) from error

    async def _compare_descriptions(self) -> None:
        told = await self._both(lambda side: side.topics())
        topics = tuple(
            {name: each for name, each in t.items() if self._is_wanted(each)} for t in told
        )
        wanted = self.wanted.topics
        if wanted is not None:
            missing = [name for name in wanted if not any(name in side for side in topics)]
            if missing:
                raise WrongUsage(f"there is no topic {', '.join(missing)} on either side")
        for each in topics_apart(*topics):
            self.found.add(each)
        self.topics = sorted({*topics[A]} & {*topics[B]})
        configs = await self._both(lambda side: side.configs(self.topics))
        for name in self.topics:
            of_both = (configs[A][name], configs[B][name])
            for each in configs_apart(name, *of_both, is_mirror=self.wanted.by_order):
                self.found.add(each)
            self._tombstones[name] = (_tombstones(of_both[A]), _tombstones(of_both[B]))
        await self._look_at_extents(topics)

    def _is_wanted(self, topic: TopicDescription) -> bool:
        wanted = self.wanted.topics
        return is_of_users(topic) if wanted is None else topic.name in wanted

    async def _look_at_extents(self, topics: tuple[dict[str, TopicDescription], ...]) -> None:
        ids: dict[TopicPartition, str] = {}
        for name in self.topics:
            count = min(len(side[name].partitions) for side in topics)
            text = " ".join(side[name].topic_id.hex() for side in topics)
            ids |= {TopicPartition(name, index): text for index in range(count)}
        # 1. a source is asked where it ends  2. a record comes, and is mirrored  3. the mirror is
        # asked, and has more than its source. So who may be behind is asked first.
        extents: list[dict[TopicPartition, tuple[int, int]]] = [{}, {}]
        for side in (B, A) if self.wanted.may_go_on[A] else SIDES:
            extents[side] = await self.sides[side].extents(ids)
        self.logs = {
            place: self._log(place, text, (extents[A][place], extents[B][place]))
            for place, text in ids.items()
        }
        self._total = sum(
            max(0, log.extents[A][1] - log.verified.next[A]) for log in self.logs.values()
        )

    def _log(
        self, place: TopicPartition, ids: str, extents: tuple[tuple[int, int], tuple[int, int]]
    ) -> Log:
        kept_ids, verified = self._kept.get(place, ("", None))
        starts, ends = zip(*extents, strict=True)
        # A log that ends before what was verified is another one.
        if (
            kept_ids == ids
            and verified is not None
            and all(verified.next[side] <= ends[side] for side in SIDES)
        ):
            return Log(place, ids, extents, verified.copied(), self._tombstones[place.topic])
        begin = starts if self.wanted.by_order else (max(starts), max(starts))
        return Log(place, ids, extents, Verified(begin), self._tombstones[place.topic])

    async def _compare_logs(self) -> None:
        waiting = iter([*self.logs.values()])

        async def work() -> None:
            for log in waiting:  # shared: each takes the next one
                await self._compare_log(log)

        try:
            await together(work() for _ in range(self.wanted.at_once))
        finally:
            self._save(is_final=True)
        for log in self.logs.values():
            self.found.add_all(log.found)

    async def _compare_log(self, log: Log) -> None:
        wanted = self.wanted
        starts, ends = zip(*log.extents, strict=True)
        marks = (self._positions(A, log.place), self._positions(B, log.place))
        if wanted.by_order and any(marks):
            # How many records lie before a place is counted from where nothing is before it.
            least = (min(each, default=log.verified.next[side]) for side, each in enumerate(marks))
            log.verified = log.verified.before(*least) or Verified(starts)
        is_new = not log.verified.records
        if not wanted.by_order and is_new and starts[A] != starts[B]:
            texts = tuple(map(str, starts))
            log.found.add(Difference(Kind.START, *log.place, "", min(starts), -1, *texts))
        log.pairing = pairing = Pairing(
            log.place,
            log.verified,
            ends,
            log.found.add,
            by_order=wanted.by_order,
            marks=marks,
            has_lost=(is_new and starts[A] > 0, is_new and starts[B] > 0),
            may_go_on=wanted.may_go_on,
            tombstones_before_ms=log.tombstones_before_ms,
        )
        for side, start in enumerate(starts):
            if start > log.verified.next[side]:
                pairing.begins_later(side, start)
        readers = [LogReader(side, log.place) for side in self.sides]
        while not pairing.is_over:
            await together(self._read(pairing, readers, side) for side in SIDES)
            pairing.advance()
            self._keep(log, pairing)
            self._tell()
        pairing.advance()
        self._keep(log, pairing)
        if not wanted.by_order and ends[A] != ends[B]:
            self._tell_ends(log, ends)

    def _keep(self, log: Log, pairing: Pairing) -> None:
        """Where another run may go on: nothing differs before, and nothing is to be seen yet."""
        if not pairing.is_equal:
            self._kept.pop(log.place, None)
        elif pairing.is_settled:
            self._kept[log.place] = (log.ids, log.verified.copied())

    def _tell_ends(self, log: Log, ends: tuple[int, int]) -> None:
        longer = A if ends[A] > ends[B] else B
        if not self.wanted.may_go_on[longer]:
            texts = tuple(map(str, ends))
            log.found.add(Difference(Kind.END, *log.place, "", min(ends), max(ends) - 1, *texts))

    async def _read(self, pairing: Pairing, readers: list[LogReader], side: int) -> None:
        wants = pairing.wants(side)
        if wants is None:
            return
        offset, end = wants
        try:
            fetched = await readers[side].read(offset, end)
        except StartMoved:
            start = await self.sides[side].start_of(pairing.place)
            if start <= offset:
                name = f"{self.sides[side].label}: {name_of(pairing.place)}"
                raise Unreachable(f"{name} has lost what stood at offset {offset}") from None
            pairing.begins_later(side, start)
        except Unreadable as error:
            raise Unreachable(f"{self.sides[side].label}: {error}") from error
        else:
            pairing.feed(side, fetched.pieces, fetched.next_offset)

    def _positions(self, side: int, place: TopicPartition) -> list[int]:
        groups = self.groups[side].values()
        return [each.offsets[place].offset for each in groups if place in each.offsets]

    def _compare_positions(self) -> None:
        for each in positions_apart(*self.groups, self.topics, self._is_same_position):
            self.found.add(each)

    def _is_same_position(self, place: TopicPartition, a: int, b: int) -> bool:
        log = self.logs.get(place)
        if not self.wanted.by_order or log is None or log.pairing is None:
            return a == b
        ranks = log.pairing.ranks
        return a in ranks[A] and ranks[A][a] == ranks[B].get(b, -1)

    async def _both(self, ask: Callable[[Side], Coroutine[Any, Any, T]]) -> tuple[T, T]:
        a, b = await together(ask(side) for side in self.sides)
        return a, b

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told_at < TOLD_EVERY_S:
            return
        self._told_at = now
        left = sum(max(0, log.extents[A][1] - log.verified.next[A]) for log in self.logs.values())
        self.on_progress(self._total - left, self._total)
        if now - self._saved_at >= SAVED_EVERY_S:
            self._saved_at = now
            self._save(is_final=False)

    def _save(self, *, is_final: bool) -> None:
        if self.wanted.state is not None and (self._kept or is_final):
            state_file.save(self.wanted.state, self._key, self._kept)


def _tombstones(configs: Properties) -> int | None:
    """Which may be gone from a log of such a topic; None if it is not compacted."""
    policy, _ = configs.get("cleanup.policy", ("", False))
    if "compact" not in policy:
        return None
    retention_ms, _ = configs.get("delete.retention.ms", ("0", False))
    return int(time.time() * 1000) - int(retention_ms)


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them give; the first that fails cancels the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in works]
    except* (ClientError, CommandFailed) as failed:
        error: BaseException = failed
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    return [task.result() for task in tasks]
