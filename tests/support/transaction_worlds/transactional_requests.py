"""Requests of transactional clients to a broker whose flushes and time the test moves.

`send` hands a request over, `ask` also flushes until it is answered. Answers read as in the tables
of codes: (error, producer id, epoch), or (error, base offset) by partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minibroker.broker.apis.served import SERVED
from minibroker.broker.dispatch import Dispatch
from minibroker.broker.session import CloseConnection, Session
from minibroker.broker.waiting.long_work import Working
from minibroker.broker.waiting.promise import Promise
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.codec.schema import api_of
from minibroker.protocol.connection import Request, Routes, plain
from minibroker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.worlds.timed_broker import NOW_MS, Machine

ID, TOPIC = "id", "t"
TIMEOUT_MS = 60_000
NONE = -1
TRANSACTIONAL_BIT = 0x10
ROUNDS_MAX = 20
SESSION = Session("test:1", "PLAINTEXT", "test", 9092)
Place = tuple[str, int]
A: Place = (TOPIC, 0)
B: Place = (TOPIC, 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch for a partition of TOPIC."""

    producer_id: int
    producer_epoch: int = 0
    sequence: int = 0
    index: int = 0
    count: int = 1
    attributes: int = TRANSACTIONAL_BIT
    topic: str = TOPIC

    def records(self) -> bytes:
        """As a producer sends it."""
        has_producer = self.producer_id >= 0
        return build_batch(
            [(None, b"v", (), NOW_MS)] * self.count,
            attributes=self.attributes,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch if has_producer else -1,
            base_sequence=self.sequence if has_producer else -1,
        )


class Sent:
    """A request that has been handed over.

    Attributes:
        answers: at most one; a CloseConnection where the connection ends.
        outcome: what its handler has returned.
    """

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.outcome: Any = None

    @property
    def is_working(self) -> bool:
        """Whether a connection begins nothing else meanwhile."""
        return isinstance(self.outcome, Working) and self.outcome.is_working

    @property
    def answer(self) -> Any:
        """The answer, which is there."""
        (answer,) = self.answers
        return answer


class Requests:
    """A broker with a topic of two partitions, and what is asked of it."""

    def __init__(self, machine: Machine | None = None, partitions: int = 2) -> None:
        self.machine = machine or Machine()
        self.machine.start()
        self.machine.partition(TOPIC)
        if partitions > 2:
            self.machine.broker.add_partitions({TOPIC: partitions})
        self._routes = Routes(SERVED)
        self._dispatch = Dispatch(self.machine.broker)

    def send(self, message: Any, version: int | None = None) -> Sent:
        """Hand a request over."""
        api = api_of(type(message))
        route = self._routes.find(api.key, api.newest_spoken if version is None else version)
        sent = Sent()

        def answered(message: Any) -> None:
            sent.answers.append(plain(message))

        try:
            sent.outcome = self._dispatch.handle(Request(route, 0, "test", message), SESSION)
        except CloseConnection as error:
            sent.outcome = error
        if isinstance(sent.outcome, Promise):
            sent.outcome.deliver_to(answered)
        else:
            answered(sent.outcome)
        return sent

    def ask(self, message: Any, version: int | None = None) -> Any:
        """Its answer."""
        return self.come(self.send(message, version))

    def come(self, sent: Sent) -> Any:
        """The answer, after as many flushes as it takes."""
        for _ in range(ROUNDS_MAX):
            if sent.answers:
                return sent.answer
            self.machine.flush()
        raise AssertionError(f"not answered after {ROUNDS_MAX} rounds of flushes")

    def init(
        self,
        producer_id: int = NONE,
        epoch: int = NONE,
        *,
        name: str | None = ID,
        version: int = 5,
        timeout_ms: int = TIMEOUT_MS,
    ) -> tuple[int, int, int]:
        """InitProducerId."""
        message = InitProducerIdRequest(
            transactional_id=name,
            transaction_timeout_ms=timeout_ms,
            producer_id=producer_id,
            producer_epoch=epoch,
        )
        told = self.ask(message, version)
        return told.error_code, told.producer_id, told.producer_epoch

    def add(
        self, producer_id: int, epoch: int, *places: Place, name: str = ID, version: int = 3
    ) -> dict[Place, int]:
        """AddPartitionsToTxn before v4; the code of each partition."""
        message = adding(producer_id, epoch, *places, name=name)
        return added(self.ask(message, version).results_by_topic_v3_and_below)

    def add_offsets(
        self, producer_id: int, epoch: int, group: str = "g", *, name: str = ID, version: int = 3
    ) -> int:
        """AddOffsetsToTxn."""
        message = AddOffsetsToTxnRequest(
            transactional_id=name, producer_id=producer_id, producer_epoch=epoch, group_id=group
        )
        code: int = self.ask(message, version).error_code
        return code

    def end(
        self, producer_id: int, epoch: int, *, commit: bool, name: str = ID, version: int = 4
    ) -> tuple[int, int, int]:
        """EndTxn."""
        told = self.ask(ending(producer_id, epoch, commit=commit, name=name), version)
        return told.error_code, told.producer_id, told.producer_epoch

    def produce(
        self, *batches: Batch, name: str | None = ID, version: int = 12, acks: int = -1
    ) -> dict[int, tuple[int, int]]:
        """Produce; (error, base offset) by partition."""
        return produced(self.ask(producing(*batches, name=name, acks=acks), version))


def adding(
    producer_id: int, epoch: int, *places: Place, name: str = ID
) -> AddPartitionsToTxnRequest:
    """AddPartitionsToTxn before v4."""
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer_id,
        v3_and_below_producer_epoch=epoch,
        v3_and_below_topics=named(places),
    )


def adding_many(*transactions: AddPartitionsToTxnTransaction) -> AddPartitionsToTxnRequest:
    """AddPartitionsToTxn v4 and v5."""
    return AddPartitionsToTxnRequest(transactions=list(transactions))


def named(places: Sequence[Place]) -> list[AddPartitionsToTxnTopic]:
    """Places by topic."""
    topics: dict[str, list[int]] = {}
    for topic, index in places:
        topics.setdefault(topic, []).append(index)
    return [AddPartitionsToTxnTopic(name=name, partitions=each) for name, each in topics.items()]


def added(topics: Sequence[Any]) -> dict[Place, int]:
    """The code of each partition, the same each time that it is told."""
    codes: dict[Place, int] = {}
    for topic in topics:
        for each in topic.results_by_partition:
            code = each.partition_error_code
            assert codes.setdefault((topic.name, each.partition_index), code) == code
    return codes


def ending(producer_id: int, epoch: int, *, commit: bool, name: str = ID) -> EndTxnRequest:
    """EndTxn."""
    return EndTxnRequest(
        transactional_id=name, producer_id=producer_id, producer_epoch=epoch, committed=commit
    )


def producing(*batches: Batch, name: str | None = ID, acks: int = -1) -> ProduceRequest:
    """Produce, with a topic entry for each topic."""
    topics: dict[str, list[PartitionProduceData]] = {}
    for batch in batches:
        data = PartitionProduceData(index=batch.index, records=batch.records())
        topics.setdefault(batch.topic, []).append(data)
    return ProduceRequest(
        transactional_id=name,
        acks=acks,
        timeout_ms=1000,
        topic_data=[
            TopicProduceData(name=name, partition_data=data) for name, data in topics.items()
        ],
    )


def produced(response: Any) -> dict[int, tuple[int, int]]:
    """(error, base offset) by partition, of one topic."""
    return {
        each.index: (each.error_code, each.base_offset)
        for topic in response.responses
        for each in topic.partition_responses
    }
