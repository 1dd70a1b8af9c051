"""EDGE: performs what gate.py decides: flushes, asks where partitions end, has doubts looked into.

A Sending whose sender has a journal. While one flush goes on no cut is made; when it is over the
pump runs at once, sends what is safe now, and makes the next.
Start: the journal and its lock, a broker, stale copies, a new producer id; then what is open is
settled, while new records are taken. Stop: a last cut, so that all that was sent is in the journal.
Read first: produce/pump.py, gate.py. Read next: session/session.py.
Tests: tests/system/client/session/test_session.py
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from random import Random

from ....protocol.errors import ErrorCode
from ....protocol.messages.produce import ProduceResponse
from ...cluster.backoff import backoff_ms
from ...cluster.cluster import bounded
from ...cluster.connection import Connection
from ...cluster.list_offsets import LATEST, OffsetLookup
from ...cluster.metadata import NO_EPOCH
from ...config import ProducerConfig
from ...door.owner import Owner
from ...errors import ClientError, Fatal, Fenced, Retriable
from ...partitions import TopicPartition, name_of
from ...produce.accumulator import Accumulator, Place
from ...produce.batch import NO_PRODUCER_ID, ProducerBatch, StoredAt
from ...produce.pump import Sending
from ...produce.sender import ProduceCall
from .. import instants
from ..entries import Entry, RefusedBatch
from ..instants import Instant
from ..journal import Journal
from ..journal_state import JournalState
from ..open_batch import Floor
from ..outcomes import Anew, Outcome, Refused, Stored, TooLarge, Unsettled
from ..settler import Settler
from .gate import JournaledSender
from .keeping import About
from .owned_gate import OwnedSender
from .ownership import Ownership
from .owning import Owning
from .patience import patience_ms
from .register import check_id
from .telling import still_open

logger = logging.getLogger("minibroker.client")
FLOOR_WAIT_MS = 10_000  # of one question for the end of a partition
START_OF_LOG = 0


class FlushedJournal:
    """A journal as the gate needs it. Implements keeping.Journal.

    Args:
        on_flushed: called when a flush has ended that took its time.
        on_failure: called when one has failed.
    """

    def __init__(
        self,
        journal: Journal,
        on_flushed: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._journal = journal
        self._on_flushed = on_flushed
        self._on_failure = on_failure
        self._asked = 0

    @property
    def state(self) -> JournalState:
        """What its entries add up to."""
        return self._journal.state

    @property
    def flushed(self) -> int:
        """The newest group that is safe."""
        return self._journal.flushed

    def append(self, entries: Sequence[Entry]) -> int:
        """Append one group. Raises JournalFailed."""
        return self._journal.append(entries)

    def flush_soon(self, upto: int) -> None:
        """Have everything up to a group flushed. Raises JournalFailed where that is known now."""
        if upto <= self._asked:
            return
        self._asked = upto
        flushing = self._journal.flush(upto)
        if flushing.done():
            flushing.result()
        else:
            flushing.add_done_callback(self._on_end)

    def _on_end(self, flushing: asyncio.Future[None]) -> None:
        error = None if flushing.cancelled() else flushing.exception()
        if isinstance(error, Exception):
            self._on_failure(error)
        else:
            self._on_flushed()


class JournaledSending(Sending):
    """The asyncio coat of a JournaledSender.

    Attributes:
        unsettled: what people have to decide about, by number of the batch.
    """

    sender: JournaledSender

    def __init__(
        self,
        config: ProducerConfig,
        accumulator: Accumulator,
        random: Random,
        owner: Owner,
        transactional_id: str | None = None,
    ) -> None:
        kind = JournaledSender if transactional_id is None else OwnedSender
        super().__init__(
            config, accumulator, random, owner, kind(config, accumulator, random, self._about)
        )
        self.unsettled: dict[int, Unsettled] = {}
        self.journal: Journal | None = None
        self._turned = asyncio.Event()  # the pump has, for all who wait for it
        self._lookup = OffsetLookup(config, self.cluster)
        self._settler = Settler(config, self.cluster, random)
        self._floors_asked: set[Place] = set()
        self._settling: set[Place] = set()
        self._refusal: ClientError | None = None  # of a producer id
        self._transactional_id = transactional_id
        self.owning: Owning | None = None
        self._renewing: asyncio.Task[None] | None = None
        if transactional_id is not None:
            ownership = Ownership(transactional_id, config, self.cluster, random)
            assert isinstance(self.sender, OwnedSender), "made above"
            self.owning = Owning(ownership, self.sender, self._settler)

    async def start(self) -> None:
        """Open the journal, reach a broker, get a producer id; then settle what is open.

        Raises:
            SessionInUse, JournalDamaged, JournalTooNew, JournalFailed: of the directory.
            StaleJournal: the topics hold more of it than the journal.
            ConnectionFailed, Retriable, Fatal: as a start without a session.
        """
        if self.journal is not None:
            self.cluster.raise_if_ended()
            return
        config = self._config
        assert config.session is not None, "made for producers with a session"
        journal = await asyncio.to_thread(
            Journal.open, config.session, durability=config.session_durability
        )
        try:
            check_id(journal.state, self._transactional_id, config.session)
            flushed = FlushedJournal(journal, self._on_flushed, self.fail)
            self.sender.begin(flushed)
            await self.cluster.start()
            self.sender.patience_ms = await patience_ms(self.cluster, config)
            if self.owning is None:
                await self._refuse_stale([*journal.state.floors.values()])
                await self._identify()
            else:
                await self._take_over(self.owning, journal)
        except BaseException:
            await self.cluster.stop()
            self.cluster.take_back()
            await journal.close()
            raise
        self.journal = journal
        self.sender.begun(self.now_ms())
        self.wake()

    async def flush(self, limit_ms: float) -> None:
        """As without a session; what is late is waited for, too, since it goes on.

        Raises DeliveryTimeout: something is open, in the session, also of a process before.
        """
        until = self._loop.time() + limit_ms / 1000
        await super().flush(limit_ms)
        try:
            async with asyncio.timeout_at(until):
                while self.sender.late_batches():
                    self._turned.clear()
                    await self._turned.wait()
        except TimeoutError:
            batches = self.sender.late_batches()
            if batches:
                raise still_open(batches, limit_ms, self.sender.in_doubt) from None

    async def close(self, error: Callable[[ProducerBatch], ClientError]) -> None:
        """Journal what was sent, and end; what is open stays in the session."""
        self.stop()
        if self.owning is not None:
            self.owning.ownership.disconnect()
        try:
            await self.cluster.stop()
        finally:
            try:
                await self._close_journal()
            finally:
                self.sender.fail_all(error)
                self.on_progress()

    async def decide(self, number: int, *, stored: bool) -> None:
        """People have decided about a batch; returns when that is safe. Raises KeyError."""
        batch = self.sender.keeping.batch_of(number)
        del self.unsettled[number]
        self.sender.decide(batch, self.now_ms(), stored=stored)
        self.wake()
        await self._flushed()

    async def take_refused(self) -> list[RefusedBatch]:
        """Forget the refused batches; returns them when that is safe."""
        taken = self.sender.keeping.take_refused()
        await self._flushed()
        return taken

    def cut_before_next(self) -> None:
        """Make a cut, if one is due, between two records: a batch is full, and the next begins."""
        if self.journal is None or self._is_stopped:
            return
        self.journal.give_way()
        try:
            metadata = self.cluster.metadata
            if self.sender.cut_if_due(self.now_ms(), metadata.leader_of, self._slots_of):
                self.sender.keeping.flush_soon()
                if self.sender.keeping.is_flushed:
                    self.wake()  # else the end of the flush does
        except Exception as error:  # noqa: BLE001  told to everybody who waits, and logged
            self.fail(error)

    async def _flushed(self) -> None:
        if self.journal is not None:
            await self.journal.flush(self.sender.keeping.wanted_group)

    async def _close_journal(self) -> None:
        journal, self.journal = self.journal, None
        if journal is None:
            return
        try:
            if journal.failure is None:
                self.sender.cut(self.now_ms())
        finally:
            await journal.close()
            open_count = len(journal.state.open)
            if open_count:
                logger.warning(
                    "%d batches stay open in the session %s: the next producer with it settles "
                    "them before it sends anything else there",
                    open_count,
                    self._config.session,
                )

    async def _take_over(self, owning: Owning, journal: Journal) -> None:
        """Be the only owner. Raises StaleJournal, Fenced, Fatal, Retriable."""
        limit_ms, ownership = self._config.max_block_ms, owning.ownership

        def late() -> ClientError:
            return Retriable(
                f"transactional id {self._transactional_id}: not taken over within "
                f"max_block_ms={limit_ms}: nothing was sent; last problem: "
                f"{ownership.problem or self.cluster.last_problem or 'none'}",
                code=ErrorCode.COORDINATOR_NOT_AVAILABLE,
            )

        async def flushed() -> None:
            await journal.flush(self.sender.keeping.wanted_group)

        owning.flushed = flushed
        try:
            async with bounded(limit_ms, late):
                await owning.take_over(journal.state, self._refuse_stale)
        except BaseException:
            ownership.disconnect()
            raise

    async def _refuse_stale(self, floors: list[Floor], marked_id: int = NO_PRODUCER_ID) -> None:
        """Raise StaleJournal for an old copy; Retriable where nobody says whether it is one."""
        limit_ms = self._config.max_block_ms
        unasked = await self._settler.find_stale(floors, limit_ms, marked_id)
        if unasked:
            names = ", ".join(sorted({name_of(floor.place) for floor in unasked}))
            raise Retriable(
                f"{names}: not known within max_block_ms={limit_ms} whether the session "
                f"{self._config.session} is an old copy: nothing was sent; start again when their "
                f"leaders are there; last problem: {self.cluster.last_problem or 'none'}",
                code=ErrorCode.LEADER_NOT_AVAILABLE,
            )

    async def _identify(self) -> None:
        """Get a producer id for all that is new."""
        limit_ms = self._config.max_block_ms
        self._refusal = None
        self.sender.wants_producer_id = True
        self._asking = asyncio.current_task()  # so that the pump does not ask as well
        late = f"no producer id within max_block_ms={limit_ms}; last problem: "
        async with bounded(limit_ms, lambda: Retriable(late + (self.sender.in_doubt or "none"))):
            await self._ask_for_producer_id()
        if self._refusal is not None:
            raise self._refusal

    def _fail_waiting(self, code: ErrorCode, text: str) -> None:
        self.sender.wants_producer_id = False
        self._refusal = Fatal(f"a session needs a producer id: {text}", code=code)

    def _about(self, place: Place) -> About:
        known = self.cluster.metadata.topics.get(place[0])
        if known is None:
            return About()
        return About(known.topic_id, known.epochs.get(place[1], NO_EPOCH))

    def _pump(self) -> None:
        super()._pump()
        self._turned.set()

    def _on_end(self, error: ClientError) -> None:
        super()._on_end(error)
        self._turned.set()

    def _on_flushed(self) -> None:
        if not self._is_stopped:
            self._pump()

    def _turn(self) -> None:
        sender = self.sender
        sender.wall_ms = time.time() * 1000
        for problem in self._settler.problems.values():
            sender.in_doubt = problem  # told to those who wait behind
        super()._turn()
        if sender.wants_floors:
            for place in sender.wants_floors - self._floors_asked:
                self._floors_asked.add(place)
                self.cluster.spawn(self._ask_floor(place), f"end of {place[0]}-{place[1]}")
        if self.owning is not None and self.journal is not None:
            self._heed_owning(self.owning)
        if sender.wants_looks and self.journal is not None:
            for place in sender.wants_looks - self._settling:
                self._settling.add(place)
                self.cluster.spawn(self._settle(place), f"settle {place[0]}-{place[1]}")

    def _heed_owning(self, owning: Owning) -> None:
        if self._renewing is not None:
            return
        if owning.sender.fenced:
            self._renewing = self.cluster.spawn(self._end_fenced(owning), "name the successor")
        elif owning.sender.wants_grant or owning.is_to_be_refreshed:
            self._renewing = self.cluster.spawn(self._renew(owning), "renew the transactional id")

    async def _renew(self, owning: Owning) -> None:
        try:
            await owning.renew()
        except (Fenced, Fatal) as error:
            await self._end_owning(owning, error)
        else:
            self._renewing = None
            self.wake()

    async def _may_write(self, place: Place) -> bool:
        """Whether this session is still ours; where it is not, everybody is told."""
        if self.owning is None:
            return True
        try:
            await self.owning.may_write(place)
        except (Fenced, Fatal) as error:
            await self._end_owning(self.owning, error)
            return False
        return True

    async def _end_fenced(self, owning: Owning) -> None:
        text = owning.ownership.fenced_text(owning.sender.fenced)
        await self._end_owning(owning, Fenced(text, code=ErrorCode.INVALID_PRODUCER_EPOCH))

    async def _end_owning(self, owning: Owning, error: ClientError) -> None:
        """The session is somebody else's, or nobody can have it: everybody who waits is told."""
        said = await owning.ownership.successor() if isinstance(error, Fenced) else ""
        self.fail(type(error)(f"{error}{f'; {said}' if said else ''}", code=error.code))

    def _write(self, call: ProduceCall) -> None:
        super()._write(call)
        instants.at(Instant.SENT)

    def on_answer(
        self, connection: Connection, call: ProduceCall, response: ProduceResponse | None
    ) -> None:
        """A broker has answered."""
        instants.at(Instant.ANSWERED)
        super().on_answer(connection, call, response)

    def on_unheard(self, batch: ProducerBatch) -> None:
        """A batch has failed that nobody waits for; in a session most only take long."""
        if batch not in self.sender.keeping.written:
            super().on_unheard(batch)

    async def _ask_floor(self, place: Place) -> None:
        """Ask where a partition ends, until its leader says so."""
        where, attempts = TopicPartition(*place), 0
        try:
            while place in self.sender.wants_floors:
                try:
                    found = await self._lookup.at({where: LATEST}, FLOOR_WAIT_MS)
                    if await self._may_write(place):
                        offset, _, leader_epoch = found[where]
                        self.sender.give_floor(place, offset, leader_epoch)
                    return
                except Fatal as error:
                    self.cluster.raise_if_ended()
                    if not error.code.retriable and error.code is not ErrorCode.NONE:
                        # Nobody tells: the whole log counts. Most likely Produce is refused next.
                        if await self._may_write(place):
                            self.sender.give_floor(place, START_OF_LOG, NO_EPOCH)
                        return
                    self.sender.in_doubt = str(error)
                except Retriable as error:
                    self.sender.in_doubt = str(error)
                await asyncio.sleep(self._backoff_s(attempts))
                attempts += 1
        finally:
            self._floors_asked.discard(place)
            self.wake()

    async def _settle(self, place: Place) -> None:
        """Have a partition's batches in doubt looked for, until all but people's are settled."""
        sender = self.sender
        sender.wants_looks.discard(place)
        keeping = sender.keeping
        batches = sender.looking_for(place)
        by_number = {keeping.written[each].number: each for each in batches}
        state = keeping.journal.state
        try:
            await self._flushed()  # pieces that may be sent
            await self._settler.settle(
                keeping.numbered(batches),
                {each.producer_id: each for each in state.floors.values() if each.place == place},
                frozenset(state.absent),
                lambda outcome: self._on_outcome(by_number[outcome.batch.number], outcome),
                {} if self.owning is None else self.owning.shut_out_below,
            )
            sender.looked(place)
        finally:
            self._settling.discard(place)
            self.wake()

    def _on_outcome(self, batch: ProducerBatch, outcome: Outcome) -> None:
        match outcome:
            case Stored():
                stored = StoredAt(outcome.base_offset, outcome.log_append_time_ms, -1)
                self.sender.stored(batch, stored, self.now_ms())
            case Refused():
                self.sender.refused(batch, outcome.code, outcome.message)
            case TooLarge():
                self.sender.too_large(batch)
            case Anew():
                # 1. Nothing new is sent to this topic. 2. The floor is known, so that nobody asks
                # who leads it. 3. The batch would wait for its leader for ever.
                self.cluster.metadata.wanted.add(batch.topic)
                self.sender.absent(batch)
            case Unsettled():
                logger.error("unsettled, and waits for session.settle(): %s", outcome.text)
                self.unsettled[outcome.batch.number] = outcome
                self.sender.hold(batch, outcome.text)
        self.on_progress()

    def _backoff_s(self, attempts: int) -> float:
        config = self._config
        return (
            backoff_ms(config.retry_backoff_ms, config.retry_backoff_max_ms, attempts, self._random)
            / 1000
        )
