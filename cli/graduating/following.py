"""EDGE: follows a mirror record by record: how far it is behind, and that it holds the same.

    following = Following(old, new, topics, kept.verified)
    await following.catch_up(within_s, tell, lag_s=CLOSE_S)
    ends = await following.until_still(within_s, tell)

Nothing of the mirror is believed: what it has copied is compared with what was read. Markers of
transactions take offsets on one side and not on the other, so that records are paired by order.
Read next: moving.py.
Tests: tests/system/commands/test_graduate.py
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from ...client.cluster.list_offsets import LATEST
from ...client.partitions import TopicPartition, name_of
from ..comparing.comparison import Comparison, Wanted
from ..comparing.differences import Difference, Found, Kind
from ..comparing.pairing import A
from ..comparing.side import Side
from ..terminal.running import CommandFailed

PENDING: Final = (Kind.TOPIC, Kind.PARTITIONS, Kind.CONFIG)  # what a mirror does in its own time
LOOKED_EVERY_S: Final = 0.5
# While producers write a mirror is always some records behind. It follows closely if it has all
# that was there so long ago.
CLOSE_S: Final = 5.0
LOOKS_MAX: Final = 100
NAMED_MAX: Final = 5

Ends = dict[TopicPartition, int]
Tell = Callable[[int, int], None]


class Following:
    """One mirror.

    Args:
        topics: those that are mirrored.
        verified: the file that keeps how far all is the same.

    Attributes:
        pending: what the mirror has not done yet besides records, as of the newest look.
    """

    def __init__(self, old: Side, new: Side, topics: Sequence[str], verified: Path) -> None:
        self._old = old
        self._topics = topics
        self._looks: deque[tuple[float, Ends]] = deque(maxlen=LOOKS_MAX)
        self.pending: list[Difference] = []
        self._comparison = Comparison(
            old,
            new,
            Wanted(
                topics=topics,
                by_order=True,
                may_go_on=(True, False),
                state=verified,
                with_positions=False,
            ),
        )

    @property
    def _lacks_topics(self) -> bool:
        return any(each.kind is not Kind.CONFIG for each in self.pending)

    async def look(self) -> tuple[int, int]:
        """Compare what is there: (offsets that the mirror is behind, records that are the same).

        Raises:
            CommandFailed: the mirror holds something else.
        """
        comparison = self._comparison
        began_at = asyncio.get_running_loop().time()
        await comparison.run()
        must_be_same(comparison.found)
        self.pending = [each for each in comparison.found.kept if each.kind in PENDING]
        logs = comparison.logs
        behind = sum(log.extents[A][1] - log.verified.next[A] for log in logs.values())
        if self._lacks_topics:
            self._looks.clear()  # they say nothing of topics that come later
            behind = max(behind, 1)
        else:
            ends = {place: log.extents[A][1] for place, log in logs.items()}
            self._looks.append((began_at, ends))
        return behind, comparison.records

    async def catch_up(
        self,
        within_s: float,
        tell: Tell,
        also: Callable[[], Awaitable[None]] | None = None,
        *,
        lag_s: float = 0.0,
    ) -> int:
        """Return how many records are the same, once the mirror has all there is.

        Args:
            tell: called with (behind, records) after each look.
            lag_s: it is enough that it has all that was there so long ago.
            also: looked at after each look as well; it raises where there is no use in waiting.
        Raises:
            CommandFailed: not within `within_s`, or the mirror holds something else.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            behind, records = await self.look()
            tell(behind, records)
            if also is not None:
                await also()
            if not behind or (lag_s and self._lag_s() <= lag_s):
                return records
            if loop.time() >= until:
                missing = [each.topic for each in self.pending if each.kind is Kind.TOPIC]
                how = f"is {behind:,} offsets behind"
                if missing:
                    how = f"has not made {', '.join(missing[:NAMED_MAX])}"
                raise CommandFailed(
                    f"after {within_s:.0f} s the mirror {how}; does MirrorMaker run? what it says "
                    "stands in its log; then repeat this"
                )
            await asyncio.sleep(LOOKED_EVERY_S)

    def _lag_s(self) -> float:
        """How long ago the mirror had not been behind with what it has now."""
        logs = self._comparison.logs
        for began_at, ends in reversed(self._looks):
            if all(logs[place].verified.next[A] >= end for place, end in ends.items()):
                return asyncio.get_running_loop().time() - began_at
        return math.inf

    async def until_still(self, within_s: float, tell: Tell) -> Ends:
        """Where all logs ended, once nobody writes to the old cluster and the mirror has it all.

        Raises:
            CommandFailed: somebody writes, or a transaction is open, or the mirror is late.
        """
        after = await self.ends()

        async def nobody_writes() -> None:
            now = await self.ends()
            moved = [place for place, end in now.items() if after.get(place) != end]
            if moved:
                raise CommandFailed(
                    f"somebody still writes to {some(moved)}: stop all producers of the old "
                    "cluster, then repeat this"
                )

        await self.catch_up(within_s, tell, nobody_writes)
        stable = await self._old.extents(after)
        open_ = [place for place, end in after.items() if stable[place][1] != end]
        if open_:
            raise CommandFailed(
                f"a transaction is open in {some(open_)}: let its producer end it, or see "
                "`minibroker transactions find-hanging`; then repeat this"
            )
        return after

    async def ends(self) -> Ends:
        """Where every log of the old cluster ends now, whatever is committed."""
        described = await self._old.admin.describe_topics(self._topics)
        places = [
            TopicPartition(name, each.partition)
            for name, topic in described.items()
            for each in topic.partitions
        ]
        found = await self._old.admin.list_offsets(dict.fromkeys(places, LATEST))
        return {place: each.offset for place, each in found.items()}


def must_be_same(found: Found) -> None:
    """Raise CommandFailed where a mirror holds what was never read."""
    wrong = [each for each in found.kept if not each.by_design and each.kind not in PENDING]
    wrong = [each for each in wrong if each.kind is not Kind.POSITION]
    if wrong:
        first = wrong[0]
        place = name_of(TopicPartition(first.topic, first.partition))
        raise CommandFailed(
            f"the mirror is none: {first.kind} differs in {place} at offset {first.offset} "
            f"({first.a} and {first.b}), and {len(wrong) - 1} more; were there records before it "
            "began, or did somebody else write? delete these topics in the new cluster, together "
            "with MirrorMaker's own (mm2-*), and begin anew"
        )


def some(places: Sequence[TopicPartition]) -> str:
    """The first of them, by name."""
    more = f" and {len(places) - NAMED_MAX} more" if len(places) > NAMED_MAX else ""
    return ", ".join(map(name_of, sorted(places)[:NAMED_MAX])) + more
