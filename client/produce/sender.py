"""What a producer sends, when, and what answers mean. Sans-IO: facts and time in, calls out.

drain() stamps producer id, epoch and sequence and says which requests to write; answered() and
lost() tell what became of each; expire() bounds every batch by delivery_timeout_ms.
answers.py says for each error what follows; lane.py holds what it means for a partition's order.
After a timeout or a lost connection the same bytes go again under the same sequence.
Source: Sender.java, TransactionManager.java.   Read next: answers.py, lane.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from ...protocol.errors import ErrorCode
from ..cluster.backoff import backoff_ms
from ..config import IN_FLIGHT_MAX, ProducerConfig
from ..errors import Abortable, ClientError, DeliveryTimeout, Fatal, Retriable
from ..figures import ProducerFigures
from .accumulator import Accumulator, Place
from .answers import Answer, Then, ended, failure, outcome_of
from .batch import NO_EPOCH, NO_PRODUCER_ID, OFFSET_UNKNOWN, ProducerBatch, Split, StoredAt
from .lane import Lane, born_at_ms
from .transactional import Phase, Transactional

NEVER: Final = float("inf")
REQUEST_OVERHEAD: Final = 512  # of a Produce request beside its batches, roughly
PARTITION_OVERHEAD: Final = 32


@dataclass(slots=True, eq=False, repr=False)
class ProduceCall:
    """One Produce request to write: at most one batch of each partition."""

    node_id: int
    batches: list[ProducerBatch]
    deadline_ms: float
    size_bytes: int = REQUEST_OVERHEAD


@dataclass(slots=True, eq=False, repr=False)
class Draining:
    """One drain: what is asked of the world, and the calls of the present turn by node."""

    now_ms: float
    leader_of: Callable[[str, int], int]
    slots_of: Callable[[int], int]
    slots: dict[int, int] = field(default_factory=dict)
    calls: dict[int, ProduceCall] = field(default_factory=dict)

    def has_slot(self, node_id: int) -> bool:
        """Whether one more call may be written to a node."""
        if node_id not in self.slots:
            self.slots[node_id] = self.slots_of(node_id)
        return self.slots[node_id] > 0

    def take_calls(self) -> list[ProduceCall]:
        """End the turn."""
        made, self.calls = self.calls, {}
        calls = [call for call in made.values() if call.batches]
        for call in calls:
            self.slots[call.node_id] -= 1
        return calls


class Sender:
    """The idempotent producer's decisions.

    Attributes:
        producer_id: NO_PRODUCER_ID until the broker has given one.
        wants_producer_id: records wait for it.
        wants_metadata: an answer, or a partition without a leader, says that it is stale.
        fatal: set once; every later send fails with it.
        in_doubt: the newest reason why something had to be repeated, for texts.
        figures: what was counted.
        transactional: the transactions of config.transactional_id; None without one.
    """

    def __init__(self, config: ProducerConfig, accumulator: Accumulator, random: Random) -> None:
        self._config = config
        self.transactional: Transactional | None = None
        if config.transactional_id is not None:
            timeout_ms = config.transaction_timeout_ms
            self.transactional = Transactional(config.transactional_id, timeout_ms)
        self._accumulator = accumulator
        self._random = random
        self._lanes: dict[Place, Lane] = {}
        self._in_flight_max = min(IN_FLIGHT_MAX, config.max_in_flight_requests_per_connection)
        self.producer_id = NO_PRODUCER_ID
        self._producer_epoch = NO_EPOCH  # a transactional id's; otherwise lanes have their own
        self.wants_producer_id = False
        self.wants_metadata = False
        self.fatal: ClientError | None = None
        self.in_doubt = ""
        self.figures = ProducerFigures()

    def drain(
        self,
        now_ms: float,
        leader_of: Callable[[str, int], int],
        slots_of: Callable[[int], int],
    ) -> list[ProduceCall]:
        """The requests to write now, in this order, each at once.

        Args:
            leader_of: node id of a partition's leader, -1 if there is none.
            slots_of: how many more requests a node's connection takes now, 0 if it has none.
        """
        self._settle_lanes()
        if self.transactional is not None:
            self._heed(self.transactional)
        return self._calls(Draining(now_ms, leader_of, slots_of))

    def _calls(self, draining: Draining) -> list[ProduceCall]:
        calls: list[ProduceCall] = []
        in_flight = (place for place, lane in self._lanes.items() if lane.in_flight)
        places = [*dict.fromkeys((*self._accumulator.queues, *in_flight))]
        while True:
            for place in places:
                self._add_next(place, draining)
            turn = draining.take_calls()
            if not turn:
                return calls
            calls += turn
            self.figures.request_total += len(turn)

    def answered(self, batch: ProducerBatch, answer: Answer, now_ms: float) -> None:
        """A broker's answer about one batch of a call."""
        lane = self._lane_of(batch)
        lane.take_off_wire(batch)
        then, may_be_stored = outcome_of(answer.code)
        if answer.code.refreshes_metadata:
            self.wants_metadata = True
        if then is Then.DONE:
            lane.acknowledge(batch)
            offset = answer.base_offset if answer.code is ErrorCode.NONE else OFFSET_UNKNOWN
            stored = StoredAt(offset, answer.log_append_time_ms, answer.log_start_offset)
            self._finish(batch, stored)
            return
        batch.is_unknown = batch.is_unknown or may_be_stored
        self.in_doubt = f"{answer.code.name}: {answer.message or answer.code.text}"
        if then is Then.END and not self._is_abortable(answer.code):
            self._end(failure(batch, answer))
        elif batch.outcome is not None or then in (Then.FAIL, Then.FENCE, Then.END):
            self._give_up(lane, batch, failure(batch, answer))
        elif then is Then.SPLIT:
            self._split(lane, batch, answer)
        elif batch.sends > self._config.retries:
            self._give_up(lane, batch, self._tried_enough(batch))
        else:
            batch.is_refused = then is Then.GAP
            self._retry(lane, now_ms)

    def lost(self, call: ProduceCall, now_ms: float, why: str) -> None:
        """No answer will come: whether the call took effect is unknown."""
        self.wants_metadata = True
        self.in_doubt = why
        for batch in call.batches:
            lane = self._lane_of(batch)
            lane.take_off_wire(batch)
            batch.is_unknown = True
            if batch.outcome is not None or batch.sends > self._config.retries:
                self._give_up(lane, batch, self._tried_enough(batch))
            else:
                self._retry(lane, now_ms)

    def unacknowledged(self, call: ProduceCall) -> None:
        """A call with acks=0 was written; nothing more will be heard of it."""
        for batch in call.batches:
            lane = self._lane_of(batch)
            lane.take_off_wire(batch)
            lane.acknowledge(batch)
            self._finish(batch, StoredAt(OFFSET_UNKNOWN, -1, -1))

    def expire(self, now_ms: float) -> None:
        """Fail what has not been delivered delivery_timeout_ms after its `send`."""
        age_ms = self._config.delivery_timeout_ms
        for place in [*self._accumulator.queues]:
            for batch in self._accumulator.take_expired(place, now_ms, age_ms):
                self._finish(batch, self._timeout(batch))
        for lane in self._lanes.values():
            for batch in [*lane.in_flight]:
                if batch.created_at_ms + age_ms > now_ms or batch.outcome is not None:
                    continue
                error = self._timeout(batch)
                batch.complete(error)
                self._tell_transaction(batch, error)
                if not batch.is_on_wire:  # on the wire it keeps its place until that is over
                    lane.give_up(batch)
                    self._accumulator.release(batch)

    def next_wake_ms(self, now_ms: float) -> float:
        """The next instant after now at which time alone changes something; NEVER if none does."""
        wake = NEVER
        born = NEVER
        for queue in self._accumulator.queues.values():
            born = min(born, queue[0].created_at_ms)
            ready = self._accumulator.ready_at_ms(queue)
            if now_ms < ready < wake:
                wake = ready
        for lane in self._lanes.values():
            if lane.in_flight:
                born = min(born, born_at_ms(lane.in_flight))
            if now_ms < lane.retry_at_ms < wake:
                wake = lane.retry_at_ms
        return min(wake, born + self._config.delivery_timeout_ms)

    def give_producer_id(self, producer_id: int) -> None:
        """The broker has given one; partitions without take it up."""
        self.producer_id = producer_id
        self.wants_producer_id = False

    def fail_all(self, error: Callable[[ProducerBatch], ClientError]) -> None:
        """Everything not done fails; batches on the wire keep their place until that is over."""
        for batch in [*self._accumulator.batches()]:
            self._accumulator.take((batch.topic, batch.partition))
            self._finish(batch, error(batch))
        for lane in self._lanes.values():
            for batch in [*lane.in_flight]:
                why = error(batch)
                batch.complete(why)
                self._tell_transaction(batch, why)
                if not batch.is_on_wire:
                    lane.give_up(batch)
                    self._accumulator.release(batch)

    def end(self, error: ClientError) -> None:
        """Nothing goes on: everything open fails, whatever state it was left in by a defect."""
        self.fatal = self.fatal or error
        if self.transactional is not None:
            self.transactional.fail(error)
        for batch in [*self._accumulator.held]:
            batch.complete(ended(batch, error))

    @property
    def on_wire_count(self) -> int:
        """Batches that brokers have not answered."""
        return sum(lane.on_wire_count for lane in self._lanes.values())

    def open_batches(self) -> list[ProducerBatch]:
        """Every batch without an outcome."""
        return [batch for batch in self._accumulator.held if batch.outcome is None]

    def metrics(self) -> dict[str, float]:
        """What was counted, and the state of the buffer, by Kafka's metric names."""
        memory = self._config.buffer_memory
        return {
            **self.figures.metrics(),
            "record-error-total": self._accumulator.failed_count,
            "buffer-total-bytes": memory,
            "buffer-available-bytes": max(0, memory - self._accumulator.held_bytes),
        }

    def made_again(self, topic: str) -> None:
        """A topic was deleted and made again: its partitions know nothing of this producer.

        Sequences stay: 1. the topic is made again 2. a batch is stored there 3. its answer is lost
        4. the new topic id is seen. Under a new sequence the batch would be stored twice. But one
        at a time from now on: a partition without state accepts whatever comes first.
        """
        for (name, _), lane in self._lanes.items():
            if name == topic:
                lane.is_established = False
                lane.attempts = 0
                lane.retry_at_ms = 0.0

    def _add_next(self, place: Place, draining: Draining) -> None:
        """Put the next batch of a place, if it may leave now, into this turn's calls."""
        lane = self._lanes.get(place)
        size = self._next_size(place, lane, draining.now_ms)
        if size is None:
            return
        node_id = draining.leader_of(*place)
        if node_id < 0:
            self.wants_metadata = True
            self.in_doubt = f"{place[0]}-{place[1]} has no leader at the moment"
            return
        if not draining.has_slot(node_id):
            return
        call = draining.calls.get(node_id)
        if call is None:
            deadline_ms = draining.now_ms + self._config.request_timeout_ms
            call = draining.calls[node_id] = ProduceCall(node_id, [], deadline_ms)
        elif call.size_bytes + size > self._config.max_request_size:
            return
        if lane is None:
            is_transactional = self.transactional is not None
            lane = self._lanes[place] = Lane(is_transactional=is_transactional)
        batch = self._take_next(place, lane)
        if batch is None:
            return
        call.batches.append(batch)
        call.size_bytes += len(batch.wire) + len(place[0]) + PARTITION_OVERHEAD
        self._count(batch, draining.now_ms)

    def _next_size(self, place: Place, lane: Lane | None, now_ms: float) -> int | None:
        """The size of the batch that a place would send now; None if it must wait."""
        if lane is not None:
            # 1. 7 is refused as if a batch were missing before it; 8 is still on the wire.
            # 2. Judged now, both would go again in a new epoch: nothing puts 8 in doubt yet.
            # 3. Its first attempt is stored after all: twice.
            # So a broken lane waits until every attempt is over, and lane.settle() has judged.
            if lane.is_broken or now_ms < lane.retry_at_ms:
                return None
            if self.transactional is not None and not self.transactional.admits(place):
                return None
            unsent = lane.next_to_resend()
            if unsent is not None:
                # 1. A partition knows nothing of this producer; 7 and 8 go again together.
                # 2. 7 is refused for a passing reason, too few replicas, say; it passes before 8.
                # 3. A broker without state takes what comes first: 8 is stored, 7 never can be.
                if lane.on_wire_count and not lane.is_established:
                    return None
                return len(unsent.wire)
            most = self._in_flight_max if lane.is_established else 1
            # 1. 7 expires and is not known to be stored; 8 would leave with the sequence behind.
            # 2. It was not stored: 8 is refused, and so is each batch drained meanwhile.
            # So nothing new leaves before what is open has told whether there is a gap.
            if lane.is_unresolved or len(lane.in_flight) >= most:
                return None
        queue = self._accumulator.queues.get(place)
        if queue is None:
            return None
        is_urgent = queue[0].is_awaited and (lane is None or not lane.in_flight)
        if not is_urgent and not self._accumulator.is_ready(queue, now_ms):
            return None
        if self.transactional is not None:
            return queue[0].size_bytes if self.transactional.admits(place) else None
        if self._config.enable_idempotence and self.producer_id == NO_PRODUCER_ID:
            # 1. One lane has used its epochs up, and a new id is asked for. 2. Epochs are kept per
            # partition: a lane that has the old id goes on with it, and waits for nobody.
            has_own = lane is not None and lane.producer_id != NO_PRODUCER_ID
            if not has_own:
                self.wants_producer_id = True
                return None
        return queue[0].size_bytes

    def _count(self, batch: ProducerBatch, now_ms: float) -> None:
        figures = self.figures
        figures.record_send_total += batch.count
        if batch.sends > 1:
            figures.record_retry_total += batch.count
            return
        figures.batch_bytes.add(len(batch.wire))
        figures.queue_ms.add(now_ms - batch.created_at_ms)

    def _take_next(self, place: Place, lane: Lane) -> ProducerBatch | None:
        """The batch to write; None where it could not be encoded, and has failed alone."""
        batch = lane.next_to_resend()
        if batch is None:
            if self._config.enable_idempotence and lane.producer_id == NO_PRODUCER_ID:
                self._adopt(lane)
            batch = self._stamped(place, lane)
        if batch is not None:
            lane.put_on_wire(batch)
            if self.transactional is not None:
                self.transactional.has_begun = True
        return batch

    def _adopt(self, lane: Lane) -> None:
        if self.transactional is None:
            lane.adopt(self.producer_id)
            return
        lane.adopt(self.producer_id, self._producer_epoch)
        # With KIP-890 a partition takes sequence 0 first in every epoch, and no other.
        lane.is_established = self.transactional.bumps

    def _stamped(self, place: Place, lane: Lane) -> ProducerBatch | None:
        """The oldest batch of a place that can be encoded; those before it fail alone."""
        while place in self._accumulator.queues:
            batch = self._accumulator.take(place)
            try:
                lane.stamp(batch)
            except Exception as error:  # noqa: BLE001  no memory, say: the next may do better
                self._finish(batch, Fatal(f"{batch.describe()}: cannot be encoded: {error!r}"))
            else:
                return batch
        return None

    def _settle_lanes(self) -> None:
        for place, lane in self._lanes.items():
            if lane.on_wire_count or not (lane.is_broken or lane.is_unresolved):
                continue
            had_id = lane.producer_id
            done, unsent = lane.settle()
            for batch in done:
                if isinstance(batch.outcome, ClientError):
                    self._tell_transaction(batch, batch.outcome)
                self._accumulator.release(batch)
            self._accumulator.put_back(place, unsent)
            if had_id == self.producer_id and lane.producer_id != had_id:
                self.producer_id = NO_PRODUCER_ID  # its epochs are used up

    def _retry(self, lane: Lane, now_ms: float) -> None:
        if lane.is_broken:  # by another batch of the same failure
            return
        config = self._config
        wait_ms = backoff_ms(
            config.retry_backoff_ms, config.retry_backoff_max_ms, lane.attempts, self._random
        )
        lane.break_until(now_ms + wait_ms)

    def _split(self, lane: Lane, batch: ProducerBatch, answer: Answer) -> None:
        """Two halves in place of a batch that is too large.

        They have its sequences: where an earlier attempt was stored after all, a broker finds
        them out of order, and they fail as what may be stored.
        """
        if batch.count == 1:
            self._give_up(lane, batch, failure(batch, answer))
            return
        pieces = batch.split()
        self.figures.split_total += 1
        self._accumulator.exchange(batch, pieces)
        lane.replace(batch, pieces)
        batch.complete(Split(pieces))
        batch.forget_records()

    def _give_up(self, lane: Lane, batch: ProducerBatch, error: ClientError) -> None:
        lane.give_up(batch)
        self._finish(batch, error)

    def _lane_of(self, batch: ProducerBatch) -> Lane:
        return self._lanes[batch.topic, batch.partition]

    def _finish(self, batch: ProducerBatch, outcome: StoredAt | ClientError) -> None:
        batch.complete(outcome)
        if isinstance(outcome, ClientError):
            self._tell_transaction(batch, outcome)
        self._accumulator.release(batch)

    def _heed(self, transactional: Transactional) -> None:
        """Batches of a transaction that will be aborted fail; a new epoch begins at sequence 0."""
        phase, why = transactional.phase, transactional.error
        if phase is Phase.FATAL:
            if self.fatal is None and why is not None:
                self._end(why)
        elif phase in (Phase.BROKEN, Phase.ABORTING):
            self.fail_all(lambda batch: _abandoned(batch, why))
        ids = (transactional.producer_id, transactional.producer_epoch)
        if ids != (self.producer_id, self._producer_epoch):
            self.producer_id, self._producer_epoch = ids
            self._lanes.clear()

    def _tell_transaction(self, batch: ProducerBatch, error: ClientError) -> None:
        if self.transactional is not None:
            self.transactional.fall(error, loses_sequences=batch.sends > 0)

    def _is_abortable(self, code: ErrorCode) -> bool:
        """Whether what ends other producers ends only the transaction: its id may be renewed."""
        return self.transactional is not None and code is ErrorCode.INVALID_PRODUCER_ID_MAPPING

    def _end(self, error: ClientError) -> None:
        self.fatal = error
        if self.transactional is not None:
            self.transactional.fail(error)
        self.fail_all(lambda batch: ended(batch, error))

    def _tried_enough(self, batch: ProducerBatch) -> ClientError:
        state = "it may have been stored" if batch.is_unknown else "it was not stored"
        return Retriable(
            f"{batch.describe()} not confirmed after {batch.sends} attempts "
            f"(retries={self._config.retries}); {state}; last problem: {self.in_doubt}",
            code=ErrorCode.REQUEST_TIMED_OUT,
            possibly_persisted=batch.is_unknown,
        )

    def _timeout(self, batch: ProducerBatch) -> DeliveryTimeout:
        limit_ms = self._config.delivery_timeout_ms
        if batch.possibly_persisted:
            state = "it may have been stored"
        else:
            state = "it was not stored" if batch.sends else "it was never sent"
        reason = f"; last problem: {self.in_doubt}" if self.in_doubt else ""
        return DeliveryTimeout(
            f"{batch.describe()} not confirmed within delivery_timeout_ms={limit_ms}; "
            f"{state}{reason}",
            code=ErrorCode.REQUEST_TIMED_OUT,
            possibly_persisted=batch.possibly_persisted,
        )


def _abandoned(batch: ProducerBatch, why: ClientError | None) -> ClientError:
    """A batch of a transaction that is not committed."""
    cause = "it was aborted" if why is None else str(why)
    return Abortable(
        f"{batch.describe()}: not part of any committed transaction: {cause}",
        code=ErrorCode.TRANSACTION_ABORTABLE if why is None else why.code,
        possibly_persisted=False,
    )
