"""EDGE: gives groups, in the new cluster, exactly the positions that they have in the old one.

MirrorMaker's own translation is early: it knows some places only. Here every place is known, by
reading both logs side by side from a place before it. A group that was moved is not moved again:
it may have gone on.
1. committed in the new cluster  2. read back and compared  3. written down. Broken off before 3,
the next run does the same again, and nobody has been told to go on meanwhile.
Tests: tests/system/commands/test_graduate.py
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...client.partitions import OffsetAndMetadata, TopicPartition
from ..comparing.comparison import Comparison, Wanted
from ..comparing.differences import Kind
from ..comparing.pairing import A, B
from ..comparing.side import Committed, Side
from ..terminal.running import CommandFailed
from .following import must_be_same
from .kept import Kept


@dataclass(slots=True)
class Moving:
    """Moves groups.

    Args:
        topics: those that were mirrored.
        groups: only these, or all that have positions in them.
    """

    old: Side
    new: Side
    kept: Kept
    topics: Sequence[str]
    groups: Collection[str] | None

    async def move(self) -> tuple[Comparison, list[str]]:
        """Move all that are not moved yet; a comparison of everything, and who was moved.

        Raises:
            CommandFailed: members are at work, or the logs are not the same.
        """
        comparison = await self._compared()
        moved: list[str] = []
        for name, committed in sorted(comparison.groups[A].items()):
            offsets = {
                place: each
                for place, each in committed.offsets.items()
                if place.topic in self.topics
            }
            if offsets and name not in self.kept.plan.groups:
                self._must_rest(name, committed, comparison.groups[B].get(name))
                await self._commit(comparison, name, offsets)
                moved.append(name)
        if moved:
            comparison = await self._compared()
            self._must_stand(comparison, moved)
            self.kept.plan.groups += moved
            self.kept.save()
        return comparison, moved

    async def _compared(self) -> Comparison:
        wanted = Wanted(
            topics=self.topics,
            groups=self.groups,
            by_order=True,
            may_go_on=(False, True),
            state=self.kept.verified,
        )
        comparison = Comparison(self.old, self.new, wanted)
        await comparison.run()
        must_be_same(comparison.found)
        return comparison

    def _must_rest(self, name: str, mine: Committed, theirs: Committed | None) -> None:
        for which, committed in (("old", mine), ("new", theirs)):
            if committed is not None and committed.is_at_work:
                raise CommandFailed(
                    f"members are at work in group {name} of the {which} cluster: stop them, then "
                    "repeat this"
                )

    async def _commit(
        self,
        comparison: Comparison,
        name: str,
        offsets: dict[TopicPartition, OffsetAndMetadata],
    ) -> None:
        wanted: dict[TopicPartition, OffsetAndMetadata | int] = {}
        for place, each in offsets.items():
            log = comparison.logs.get(place)
            if log is None or log.pairing is None or each.offset not in log.pairing.mapped:
                raise CommandFailed(
                    f"group {name} stands at {each.offset} of {place.topic}-{place.partition}, and "
                    "no place in the new cluster is known for that"
                )
            offset = log.pairing.mapped[each.offset]
            wanted[place] = OffsetAndMetadata(offset, each.metadata)
        await self.new.admin.alter_group_offsets(name, wanted)

    def _must_stand(self, comparison: Comparison, moved: Sequence[str]) -> None:
        wrong = [
            each
            for each in comparison.found.kept
            if each.kind is Kind.POSITION and each.name in moved and each.a is not None
        ]
        if wrong:
            first = wrong[0]
            raise CommandFailed(
                f"group {first.name} does not stand where it was put in {first.topic}-"
                f"{first.partition}: {first.a} and {first.b}; does somebody read in it? repeat this"
            )
