"""EDGE: how a session under a transactional id begins, and how it goes on to be its only owner's.

The start, in this order:
1. An old copy is refused before it disturbs whoever has gone on: by the register, and by what
   partitions remember.
2. The next epoch is taken: nobody before can register another partition. The register is read.
3. Every partition of journal and register gets a marker: nothing of an older epoch is appended any
   more. What was appended between 1 and the marker is read.
4. The new epoch is journaled and flushed, and the register names it. Only then something is sent.
And before the first batch to another partition: the journal is flushed, with that partition in it;
the partition is registered; the coordinator confirms, by a new epoch, that the id is still ours.
Read first: ownership.py (EDGE), register.py. Read next: sending.py (EDGE).
Tests: tests/system/client/session/test_owners.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from ...errors import Fenced
from ...partitions import TopicPartition
from ...produce.accumulator import Place
from ..entries import Identity
from ..journal_state import JournalState
from ..open_batch import Floor
from ..settler import Settler
from .owned_gate import OwnedSender
from .ownership import Forgotten, Grant, Ownership
from .register import Registered, check_is_newest, identity_under

logger = logging.getLogger("minibroker.client")
REFRESH_S: Final = 86_400.0  # coordinators forget ids and offsets that rest for a week


class Owning:
    """One session under a transactional id.

    Attributes:
        flushed: waits until all is flushed that was journaled so far.
        sender: as given.
        shut_out_below: by producer id, epochs that can store nothing any more.
    """

    def __init__(
        self,
        ownership: Ownership,
        sender: OwnedSender,
        settler: Settler,
    ) -> None:
        self.ownership = ownership
        self.flushed: Callable[[], Awaitable[None]] = _nothing
        self.shut_out_below: dict[int, int] = {}
        self.sender = sender
        self._settler = settler
        self._registered: set[TopicPartition] = set()
        self._wanted: set[TopicPartition] = set()
        self._asking = asyncio.Lock()

    @property
    def is_to_be_refreshed(self) -> bool:
        """Whether coordinators have heard nothing of this id for long."""
        now_s = asyncio.get_running_loop().time()
        return now_s - self.ownership.granted_at >= REFRESH_S

    async def take_over(
        self, state: JournalState, refuse_stale: Callable[[list[Floor], int], Awaitable[None]]
    ) -> None:
        """Become the owner. Raises StaleJournal, Fatal."""
        ownership, name = self.ownership, self.ownership.transactional_id
        known = identity_under(state, name)
        known_id = -1 if known is None else known.producer_id
        check_is_newest(state, name, await ownership.registered())
        floors = [each for each in state.floors.values() if each.producer_id == known_id]
        since = await self._settler.ends(each.place for each in floors)
        await refuse_stale([*state.floors.values()], known_id)
        attempts = 0
        while True:
            try:
                marked = await self._shut_out(state, floors)
                break
            except (Fenced, Forgotten) as error:
                # 1. The process before had asked for an epoch, and died. 2. We have the next one.
                # 3. Its request is worked off late, and ends ours, though nobody is there.
                # Somebody who is there is in the register by the next look: we are an old copy.
                ownership.problem = str(error)
                await ownership.back_off(attempts)
                attempts += 1
        await self._settler.find_late(floors, since)
        self._own(is_first=True)
        await self.flushed()
        await ownership.register(marked, is_again=True)
        self._registered = marked

    async def _shut_out(self, state: JournalState, floors: list[Floor]) -> set[TopicPartition]:
        """Take an epoch, and have all before it end; returns the partitions where they do."""
        ownership, name = self.ownership, self.ownership.transactional_id
        known = identity_under(state, name)
        await ownership.take()
        # A cluster that has lost what it had written may give an epoch once more.
        while known is not None and _is_used(known, ownership.granted):
            await ownership.take()
        producer_id, epoch = ownership.granted
        if known is not None and producer_id != known.producer_id:
            logger.warning(
                "transactional id %s: the coordinator has forgotten producer id %d, or its epochs "
                "are used up: what may still come late of it is not shut out",
                *(name, known.producer_id),
            )
        entries = await ownership.registered()
        check_is_newest(state, name, entries)
        self.shut_out_below = {producer_id: epoch}
        mine: list[Floor | Registered] = [*floors, *entries]
        places = {each.place for each in mine if each.producer_id == producer_id}
        marked = await ownership.shut_out(places)
        # 1. The coordinator says that the partitions are in the transaction, and dies before that
        # is durable. 2. The next one is told to abort: there is nothing, which is no error.
        # 3. No marker is written, and what comes late is stored. So we look.
        without = await self._settler.unmarked(marked, producer_id, epoch)
        if without:
            raise Fenced(f"{len(without)} partitions have no marker of epoch {epoch}")
        return marked

    async def may_write(self, place: Place) -> None:
        """Have a partition registered, and the id confirmed. Raises Fenced, Fatal."""
        wanted = TopicPartition(*place)
        self._wanted.add(wanted)
        async with self._asking:
            if wanted not in self._registered:
                await self._renew()

    async def renew(self) -> None:
        """Have a later epoch. Raises Fenced, Fatal."""
        async with self._asking:
            if self.is_to_be_refreshed:
                await self.ownership.register(self._registered, is_again=True)
            await self._renew()

    async def _renew(self) -> None:
        wanted, self._wanted = self._wanted, set()
        await self.flushed()
        # 1. The journal says that this partition may be written to. 2. The register says so.
        # 3. The id is ours, so that whoever takes it from now on reads the register behind 2.
        await self.ownership.register(wanted)
        await self.ownership.renew()
        self._registered |= wanted
        self._own(is_first=False)

    def _own(self, *, is_first: bool) -> None:
        name, (producer_id, epoch) = self.ownership.transactional_id, self.ownership.granted
        self.sender.own(name, producer_id, epoch, is_first=is_first)


def _is_used(known: Identity, granted: Grant) -> bool:
    is_of_id = known.producer_id == granted.producer_id
    return is_of_id and granted.producer_epoch <= known.producer_epoch


async def _nothing() -> None:
    """No journal is open yet."""
