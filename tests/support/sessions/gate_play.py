"""A producer with a session in a test's hand: its journal, its answers, and the clock."""

from __future__ import annotations

from random import Random

from minibroker.client.config import ProducerConfig
from minibroker.client.errors import ClientError
from minibroker.client.produce.accumulator import Accumulator
from minibroker.client.produce.answers import Answer
from minibroker.client.produce.batch import ProducerBatch
from minibroker.client.produce.sender import ProduceCall
from minibroker.client.session.entries import Cut
from minibroker.client.session.leaving.gate import JournaledSender
from minibroker.client.session.leaving.keeping import About
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.codec.schema import ZERO_UUID
from minibroker.protocol.errors import ErrorCode

from tests.support.sessions.journal_double import JournalDouble

PID = 77
BATCH_BYTES = 100  # every record claims all of it
STORED_AT_5 = Answer(ErrorCode.NONE, 5)
GAP = Answer(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER)
TOO_LARGE = Answer(ErrorCode.MESSAGE_TOO_LARGE)
LEADER = 1


class Play:
    """A producer with a session on node 1, its journal, and the clock in the test's hand."""

    kind = JournaledSender

    def __init__(
        self, journal: JournalDouble | None = None, *, pid: int = PID, linger_ms: int = 0
    ) -> None:
        config = ProducerConfig(
            bootstrap_servers=(("x", 1),),
            linger_ms=linger_ms,
            batch_size=BATCH_BYTES,
            delivery_timeout_ms=10_000,
            request_timeout_ms=1_000,
        )
        self.journal = journal or JournalDouble()
        self.accumulator = Accumulator(config)
        self.sender = self.kind(config, self.accumulator, Random(1), lambda _: About(ZERO_UUID, 3))
        self.now_ms = 0.0
        self.leader = LEADER
        self.sender.begin(self.journal)
        self.sender.begun(self.now_ms)
        self.identify(pid)

    def identify(self, pid: int) -> None:
        """A broker gives a producer id."""
        self.sender.give_producer_id(pid)

    def send(
        self, value: bytes = b"v", partition: int = 0, *, size_bytes: int = BATCH_BYTES
    ) -> ProducerBatch:
        """A record, by default in a batch of its own."""
        place = ("t", partition)
        return self.accumulator.append(
            place, None, value, b"", 0, size_bytes=size_bytes, now_ms=self.now_ms
        )

    def drain(self, later_ms: float = 0, *, floors: bool = True) -> list[ProduceCall]:
        """What is written `later_ms` on."""
        self.now_ms += later_ms
        self.sender.expire(self.now_ms)
        calls = self._drained()
        if floors and self.sender.wants_floors:
            for place in [*self.sender.wants_floors]:
                self.sender.give_floor(place, 40, 3)
            calls += self._drained()
        return calls

    def _drained(self) -> list[ProduceCall]:
        return self.sender.drain(self.now_ms, lambda *_: self.leader, lambda _: 5)

    def answer(self, call: ProduceCall, answer: Answer) -> None:
        """The same answer for every batch of a call."""
        for batch in call.batches:
            self.sender.answered(batch, answer, self.now_ms)

    def lose(self, *calls: ProduceCall) -> None:
        """The connection ends."""
        for call in calls:
            self.sender.lost(call, self.now_ms, "cut")

    def establish(self, partition: int = 0) -> None:
        """One record stored, so that five may be in flight."""
        self.send(b"first", partition)
        (call,) = self.drain()
        self.answer(call, Answer(ErrorCode.NONE, 0))

    @property
    def cuts(self) -> list[Cut]:
        """All that were appended."""
        return [each for group in self.journal.groups for each in group if isinstance(each, Cut)]


def values(batch: ProducerBatch) -> list[bytes | None]:
    return [each.value for each in records_in(batch.wire)]


def stamps(calls: list[ProduceCall]) -> list[tuple[int, int, int]]:
    """(producer id, epoch, first sequence) of each batch, as on the wire."""
    headers = [read_header(batch.wire) for call in calls for batch in call.batches]
    return [(each.producer_id, each.producer_epoch, each.base_sequence) for each in headers]


def failure(batch: ProducerBatch) -> ClientError:
    assert isinstance(batch.outcome, ClientError)
    return batch.outcome
