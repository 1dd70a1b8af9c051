"""What a producer with a durable session sends, and when: nothing before it is journaled. Sans-IO.

1. When something is ready to leave, everything sent so far, of every partition, is closed, stamped
   and appended to the journal as one group, with the newest marks: the cut.
2. A batch leaves when its group is flushed, and never before; so the journal holds a prefix of what
   was sent, and nothing outside it was ever on the wire.
3. The next cut is made when that flush is over: what is sent meanwhile goes together.
Batches do not expire and are not given up: they are stored, or refused for good, or people decide.
New identities and pieces of a batch are journaled and flushed like a cut.
Read first: produce/sender.py, journaled_lane.py, keeping.py. Read next: sending.py (EDGE).
Tests: tests/unit/client/session/test_gate.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final

from ....protocol.errors import ErrorCode
from ...config import ProducerConfig
from ...errors import ClientError, DeliveryTimeout, Fatal, Fenced, JournalFailed
from ...produce.accumulator import Accumulator, Place
from ...produce.answers import Answer, Then, failure, outcome_of
from ...produce.batch import NO_PRODUCER_ID, OFFSET_UNKNOWN, ProducerBatch, Split, StoredAt
from ...produce.lane import Lane
from ...produce.sender import NEVER, Draining, ProduceCall, Sender
from ..entries import Position, Source
from ..open_batch import Floor
from .journaled_lane import NEVER_JOURNALED, JournaledLane, Verdict
from .keeping import AboutPlace, Journal, Keeping
from .restored import RestoredBatch
from .telling import COPIED, late, left_open, lost

E = ErrorCode
JOURNAL_WITHIN_MS: Final = 1_000  # what cannot leave is journaled after so long, beyond its linger
IDLE_MS: Final = 600_000  # after so long a partition may have forgotten a producer id


class JournaledSender(Sender):
    """The decisions of a producer with a durable session; begin() comes first.

    Attributes:
        keeping: what is journaled.
        new_marks: those of keeping.
        wants_floors: partitions of which the end offset is asked for.
        wants_looks: partitions with batches that may be stored: somebody is to look for them.
        held: batches that people must decide about, and why.
        wall_ms: the time of day.
        patience_ms: how old the records of a batch may be that a broker is sure to recognise.
    """

    _lanes: dict[Place, JournaledLane]  # type: ignore[assignment]  # it makes no others
    keeping: Keeping

    def __init__(
        self, config: ProducerConfig, accumulator: Accumulator, random: Random, about: AboutPlace
    ) -> None:
        super().__init__(config, accumulator, random)
        self._about = about
        self.new_marks: dict[Source, Position] = {}
        self.wants_floors: set[Place] = set()
        self.wants_looks: set[Place] = set()
        self.held: dict[ProducerBatch, str] = {}
        self.wall_ms = 0.0
        self.patience_ms = NEVER
        self._granted_epoch: int | None = None  # lanes have epochs of their own

    def begin(self, journal: Journal) -> None:
        """Go on with a journal; what it holds open has to be looked for first."""
        self.keeping = Keeping(journal, self._about, self.new_marks)
        for batch in [*self._accumulator.held]:  # of a start that has failed
            self._accumulator.release(batch)
        self._lanes.clear()
        self.held.clear()
        self.wants_looks.clear()
        for number, journaled in journal.state.open.items():
            place = (journaled.topic, journaled.partition)
            batch = RestoredBatch(journaled, NEVER)
            self._accumulator.adopt(batch)
            self.keeping.adopt(number, batch)
            lane = self._lane_at(place)
            lane.in_flight.append(batch)
            lane.waits_for[batch] = None

    def begun(self, now_ms: float) -> None:
        """The start is over, however long it took: from now on batches can be late."""
        for batch in self._accumulator.held:
            batch.created_at_ms = min(batch.created_at_ms, now_ms)

    def late_batches(self) -> list[ProducerBatch]:
        """Those that go on, though their time has run out; people need not decide about them."""
        held = [] if self.fatal else self._accumulator.held
        return [
            batch
            for batch in held
            if isinstance(batch.outcome, DeliveryTimeout) and batch not in self.held
        ]

    def give_producer_id(self, producer_id: int) -> None:
        """It is journaled before its first batch."""
        super().give_producer_id(producer_id)
        self.keeping.identity(producer_id)

    def drain(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        slots_of: Callable[[int], int],
    ) -> list[ProduceCall]:
        """As of a Sender; makes a cut where one is due."""
        if self.fatal is None:
            self._settle_lanes()
        # First of all: a flush that takes no time is over at once, and nobody would come back.
        self.cut_if_due(now_ms, leader_of, slots_of)
        if self.fatal is not None:
            return []
        if self.keeping.confirm_at_ms <= now_ms:
            self.keeping.write_confirmed()
        self.keeping.flush_soon()
        self.keeping.heed_flush()
        return self._calls(Draining(now_ms, leader_of, slots_of))

    def cut_if_due(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        slots_of: Callable[[int], int],
    ) -> bool:
        """Make a cut if something could leave, and no flush is under way; whether it was made."""
        self.keeping.flush_soon()
        is_due = self.keeping.heed_flush() and self._is_cut_due(now_ms, leader_of, slots_of)
        if is_due:
            self.cut(now_ms)
        return is_due

    def cut(self, now_ms: float) -> None:
        """Close, stamp and append everything sent so far, of every partition, with the marks."""
        if self.fatal is not None or self.producer_id == NO_PRODUCER_ID:
            return
        floors: list[Floor] = []
        batches: list[ProducerBatch] = []
        places = [*self._accumulator.queues]
        try:
            for place in places:
                lane = self._lane_for_more(place, now_ms)
                floors += self.keeping.floor_before(place, self.producer_id)
                while place in self._accumulator.queues:
                    batches.append(self._accumulator.take(place))
                    lane.stamp(batches[-1])
        except Exception as error:  # noqa: BLE001  no memory, say
            # 1. One batch cannot be encoded, and the others go. 2. The mark behind its records is
            # journaled: after a restart the program goes on behind them, and they are lost.
            self._end(Fatal(f"{batches[-1].describe()}: cannot be encoded: {error!r}"))
            return
        self.keeping.cut(floors, batches)
        self._ask_floors(*places)

    def answered(self, batch: ProducerBatch, answer: Answer, now_ms: float) -> None:
        """A broker's answer about one batch of a call."""
        lane = self._lane_at((batch.topic, batch.partition))
        lane.take_off_wire(batch)
        then, may_be_stored = outcome_of(answer.code)
        if answer.code.refreshes_metadata:
            self.wants_metadata = True
        if then is Then.DONE:
            lane.acknowledge(batch)
            offset = answer.base_offset if answer.code is E.NONE else OFFSET_UNKNOWN
            stored = StoredAt(offset, answer.log_append_time_ms, answer.log_start_offset)
            self._confirm(lane, batch, stored, now_ms)
            return
        batch.is_unknown = batch.is_unknown or may_be_stored
        self.in_doubt = f"{answer.code.name}: {answer.message or answer.code.text}"
        if then is Then.FENCE:
            self._fence(lane, failure(batch, answer), now_ms)
        elif then is Then.END:
            self._end(failure(batch, answer))
        elif then in (Then.RETRY, Then.GAP) or answer.code is E.UNKNOWN_SERVER_ERROR:
            batch.is_refused = then is Then.GAP
            self._retry(lane, now_ms)
        elif batch.is_unknown:  # refused for good now, and perhaps stored before
            lane.wants_look = True
            self._retry(lane, now_ms)
        elif then is Then.SPLIT and batch.count > 1:
            self._split(lane, batch, answer)
        else:
            lane.give_up(batch)
            self._refuse(batch, answer.code, failure(batch, answer))

    def lost(self, call: ProduceCall, now_ms: float, why: str) -> None:
        """No answer will come: whether the call took effect is unknown."""
        self.wants_metadata = True
        self.in_doubt = why
        for batch in call.batches:
            lane = self._lane_of(batch)
            lane.take_off_wire(batch)
            batch.is_unknown = True
            self._retry(lane, now_ms)

    def stored(self, batch: ProducerBatch, stored: StoredAt, now_ms: float) -> None:
        """Somebody has looked: it is there."""
        lane = self._found(batch)
        lane.remove(batch)
        self._confirm(lane, batch, stored, now_ms)

    def refused(self, batch: ProducerBatch, code: ErrorCode, message: str) -> None:
        """Somebody has looked, and sent it again: it is not there, and brokers will not take it."""
        self._found(batch).give_up(batch)
        batch.is_unknown = False
        self._refuse(batch, code, failure(batch, Answer(code, message=message)))

    def absent(self, batch: ProducerBatch) -> None:
        """Somebody has looked: it is not there, and never will be under its present identity."""
        self._found(batch).has_anew = True

    def too_large(self, batch: ProducerBatch) -> None:
        """Somebody has looked, and sent it again: it is not there, and its halves have to go."""
        lane = self._lanes[batch.topic, batch.partition]
        pieces = self._halved(batch)
        index = lane.in_flight.index(batch)
        lane.in_flight[index : index + 1] = pieces
        lane.waits_for = {
            each: None
            for waiting in lane.waits_for
            for each in (pieces if waiting is batch else (waiting,))
        }

    def hold(self, batch: ProducerBatch, why: str) -> None:
        """Nobody can know: people have to decide; who waits for a delivery of it is told so."""
        self.held[batch] = why
        batch.outcome = None
        batch.complete(Fatal(why, possibly_persisted=True))

    def looked(self, place: Place) -> None:
        """Looking is over for now; what is still waited for needs people, or comes later."""
        lane = self._lanes[place]
        lane.is_looked_for = lane.is_established = False
        lane.resend_from = 0
        lane.retry_at_ms = 0.0
        for batch in lane.front:
            batch.is_unknown = batch.is_refused = False
        # A new epoch would end what can be known of batches of this one that people decide about.
        if lane.has_anew and not any(map(self._is_mine, lane.waits_for)):
            self._restamp(place, lane)

    def decide(self, batch: ProducerBatch, now_ms: float, *, stored: bool) -> None:
        """People have looked: then somebody goes on with what is behind it."""
        del self.held[batch]
        place = (batch.topic, batch.partition)
        if stored:
            self.keeping.settled(batch, stored=True)
            self._found(batch).remove(batch)
            self._tell(batch, StoredAt(OFFSET_UNKNOWN, -1, -1))
        else:
            self.keeping.settled(batch, stored=False)
        self.looked(place)

    def give_floor(self, place: Place, offset: int, leader_epoch: int) -> None:
        """The partition ends here, with nothing of this producer id behind, says its leader."""
        self.wants_floors.discard(place)
        lane = self._lanes[place]
        lane.floor_group = self.keeping.floor(place, self.producer_id, offset, leader_epoch)

    def expire(self, now_ms: float) -> None:
        """Tell who waits what has not been delivered in time; it goes on all the same."""
        until_ms = now_ms - self._config.delivery_timeout_ms
        for batch in [*self._accumulator.held]:
            if batch.outcome is None:
                if batch.created_at_ms > until_ms:
                    break
                reason = self.held.get(batch) or self.in_doubt
                is_open = batch in self.keeping.written
                limit_ms = self._config.delivery_timeout_ms
                batch.complete(late(batch, limit_ms, reason, is_open=is_open))

    def next_wake_ms(self, now_ms: float) -> float:
        """The next instant after now at which time alone changes something; NEVER if none does."""
        due = [self.keeping.confirm_at_ms, self.keeping.marked_at_ms + JOURNAL_WITHIN_MS]
        for queue in self._accumulator.queues.values():
            ready_ms = self._accumulator.ready_at_ms(queue)
            due += (ready_ms, ready_ms + JOURNAL_WITHIN_MS)
        due += [lane.retry_at_ms for lane in self._lanes.values() if lane.in_flight]
        oldest = next((each for each in self._accumulator.held if each.outcome is None), None)
        if oldest is not None:
            due.append(oldest.created_at_ms + self._config.delivery_timeout_ms)
        return min((each for each in due if each > now_ms), default=NEVER)

    def fail_all(self, error: Callable[[ProducerBatch], ClientError]) -> None:
        """Nobody waits any longer; what is journaled stays open, in the session."""
        for batch in [*self._accumulator.batches()]:
            self._accumulator.take((batch.topic, batch.partition))
        for batch in [*self._accumulator.held]:
            if batch in self.keeping.written:
                batch.complete(left_open(error(batch)))
            else:
                self._finish(batch, error(batch))

    def end(self, error: ClientError) -> None:
        """Nothing goes on."""
        self.fatal = self.fatal or error
        kind = type(error) if isinstance(error, JournalFailed | Fenced) else Fatal
        self.fail_all(
            lambda batch: kind(
                f"{batch.describe()}: {error}",
                code=error.code,
                possibly_persisted=batch.possibly_persisted,
            )
        )

    def made_again(self, topic: str) -> None:
        """A topic was deleted and made again: what may be stored in the old one is looked for."""
        super().made_again(topic)
        for place, lane in self._lanes.items():
            if place[0] == topic and lane.producer_id != NO_PRODUCER_ID:
                lane.is_broken = lane.wants_look = True
                lane.floor_group = NEVER_JOURNALED
                self.wants_floors.add(place)

    def _is_cut_due(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        slots_of: Callable[[int], int],
    ) -> bool:
        """Whether something could leave now, or has waited long enough to be journaled."""
        for place, queue in self._accumulator.queues.items():
            if now_ms >= self._accumulator.ready_at_ms(queue) + JOURNAL_WITHIN_MS:
                return True
            if self._would_leave(place, queue, now_ms):
                node_id = leader_of(*place)
                if node_id < 0:
                    self.wants_metadata = True
                    self.in_doubt = f"{place[0]}-{place[1]} has no leader at the moment"
                elif slots_of(node_id) > 0:
                    return True
        return now_ms >= self.keeping.marked_at_ms + JOURNAL_WITHIN_MS

    def _would_leave(self, place: Place, queue: deque[ProducerBatch], now_ms: float) -> bool:
        lane = self._lanes.get(place)
        if lane is not None:
            if lane.waits_for or lane.is_broken or lane.is_unresolved or now_ms < lane.retry_at_ms:
                return False
            if len(lane.in_flight) >= (self._in_flight_max if lane.is_established else 1):
                return False
        is_urgent = queue[0].is_awaited and (lane is None or not lane.in_flight)
        return is_urgent or self._accumulator.is_ready(queue, now_ms)

    def _lane_at(self, place: Place) -> JournaledLane:
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = JournaledLane()
        return lane

    def _lane_for_more(self, place: Place, now_ms: float) -> JournaledLane:
        lane = self._lane_at(place)
        if lane.producer_id == NO_PRODUCER_ID:
            lane.adopt(self.producer_id, self._granted_epoch or 0)
        if not lane.in_flight and now_ms >= lane.confirmed_at_ms + IDLE_MS:
            lane.is_established = False
        return lane

    def _next_size(self, place: Place, lane: Lane | None, now_ms: float) -> int | None:
        """Of what is journaled and flushed; nothing else leaves."""
        if lane is None or lane.is_broken or now_ms < lane.retry_at_ms:
            return None
        assert isinstance(lane, JournaledLane), "it makes no others"
        unsent = lane.next_to_resend()
        if unsent is None or unsent in lane.waits_for or lane.has_anew:
            return None
        most = self._in_flight_max if self._is_remembered(lane, unsent, now_ms) else 1
        if lane.on_wire_count >= most:
            return None
        if lane.is_unresolved and not unsent.sends:
            return None  # what was sent before has to tell first whether there is a gap
        if lane.floor_group > self.keeping.journal.flushed or not self.keeping.is_safe(unsent):
            return None
        return len(unsent.wire)

    def _is_remembered(self, lane: JournaledLane, unsent: ProducerBatch, now_ms: float) -> bool:
        """Whether the partition is sure to know the producer when a batch comes."""
        # 1. The broker is away for days; then two batches of before go together. 2. It forgets the
        # producer, by the records' own timestamps. 3. The first meets too few replicas; that has
        # passed when the second comes, which is taken, as whatever comes first is.
        # 4. The first can never be stored before it.
        newest_ms = max(unsent.timestamps[0], unsent.timestamps[-1])
        is_young = self.wall_ms - newest_ms <= self.patience_ms
        return lane.is_established and is_young and now_ms < lane.confirmed_at_ms + IDLE_MS

    def _settle_lanes(self) -> None:
        for place, lane in self._lanes.items():
            if lane.is_well:
                continue
            if lane.needs_judging:
                self._judge(place, lane)
            if self._is_too_late(lane):
                lane.wants_look = lane.is_broken = True
                self._judge(place, lane)
            if self._is_to_be_looked_for(lane):
                lane.is_looked_for = True
                self.wants_looks.add(place)

    def _is_to_be_looked_for(self, lane: JournaledLane) -> bool:
        if not lane.waits_for or lane.is_looked_for or self.held.keys() & lane.waits_for.keys():
            return False
        return lane.in_flight[0] in lane.waits_for  # what stands before them goes first

    def _is_too_late(self, lane: JournaledLane) -> bool:
        """Whether the batch to be sent next might be taken for new, though it is stored."""
        # 1. A batch has waited for its broker for days; it was stored, and the answer lost.
        # 2. The broker has forgotten this producer, by the records' own timestamps.
        # 3. The same bytes would be stored again. So somebody looks first.
        unsent = lane.next_to_resend()
        if unsent is None or not unsent.is_unknown or lane.on_wire_count:
            return False
        return self.wall_ms - max(unsent.timestamps) > self.patience_ms

    def _judge(self, place: Place, lane: JournaledLane) -> None:
        for batch in lane.take_lost():
            self._refuse(batch, E.OUT_OF_ORDER_SEQUENCE_NUMBER, lost(batch))
        verdict = lane.judge()
        if verdict is Verdict.LOOK:
            lane.wait_for_doubts()
        elif verdict is Verdict.RESTAMP:
            self._restamp(place, lane)

    def looking_for(self, place: Place) -> list[ProducerBatch]:
        """What is to be looked for in a partition, in order."""
        return [*self._lanes[place].waits_for]

    def _found(self, batch: ProducerBatch) -> JournaledLane:
        lane = self._lanes[batch.topic, batch.partition]
        del lane.waits_for[batch]
        return lane

    def _restamp(self, place: Place, lane: JournaledLane) -> None:
        """New sequences for everything left: for certain nothing of it was stored."""
        before, granted = lane.producer_id, self._granted_epoch
        try:
            batches = lane.restamp(self.producer_id, granted)
        except OverflowError:
            name = f"{place[0]}-{place[1]}"
            self._end(Fatal(f"{name}: the epochs of its producer id are used up: start anew"))
            return
        is_foreign = self.keeping.is_floor_foreign(place, self.producer_id)
        if is_foreign or (before != self.producer_id and granted is None):
            lane.floor_group = NEVER_JOURNALED
        if batches:
            floors = self.keeping.floor_before(place, self.producer_id)
            self.keeping.restamped(floors, batches)
            self._ask_floors(place)

    def _ask_floors(self, *places: Place) -> None:
        never = NEVER_JOURNALED
        self.wants_floors.update(at for at in places if self._lanes[at].floor_group == never)

    def _is_mine(self, batch: ProducerBatch) -> bool:
        """Whether a batch has an identity of this process, not of one before."""
        return batch.producer_id == self.producer_id

    def _fence(self, lane: JournaledLane, error: ClientError, now_ms: float) -> None:
        """A broker knows a later epoch than we have used."""
        self._end(Fenced(f"{error} {COPIED}", code=error.code))

    def _split(self, lane: Lane, batch: ProducerBatch, answer: Answer) -> None:
        """Two halves in place of a batch that is too large, journaled before they go."""
        lane.replace(batch, self._halved(batch))

    def _halved(self, batch: ProducerBatch) -> tuple[ProducerBatch, ProducerBatch]:
        pieces = batch.split()
        self.figures.split_total += 1
        self.keeping.split(batch, pieces)
        self._accumulator.exchange(batch, pieces)
        self._tell(batch, Split(pieces))
        return pieces

    def _refuse(self, batch: ProducerBatch, code: ErrorCode, error: ClientError) -> None:
        """It is kept for the program."""
        self.keeping.refused(batch, code, error.reason or str(error))
        self._tell(batch, error)

    def _confirm(
        self, lane: JournaledLane, batch: ProducerBatch, stored: StoredAt, now_ms: float
    ) -> None:
        lane.confirmed_at_ms = now_ms
        self.keeping.confirmed(batch, stored.base_offset, now_ms)
        self._tell(batch, stored)

    def _tell(self, batch: ProducerBatch, outcome: StoredAt | Split | ClientError) -> None:
        """The end, told also to who was told before that it takes long."""
        batch.outcome = None
        batch.complete(outcome)
        self._accumulator.release(batch)
