"""Produce with transactional batches: the coordinator is asked where a transaction begins.

Where it is open already a batch needs no word: it is stored like any other, and nobody looks whose
id the request bears, as in Kafka. Where it is not, v12 adds the partition to the transaction
(KIP-890); older versions must have added it. Refused are 48, or 120 from v11 on, a partition that
was not added, and 47 a producer that is fenced; while an ending is waited for in vain it is 51 from
v12 on, else 19, after which old clients ask again.

A word holds for the turn in which it is given: 1. a partition is added  2. others go on, and the
transaction ends with its marker  3. stored now, the batch would open one that nobody ever ends.
While a word is waited for, the connection begins nothing else: 1. a batch waits  2. it is stored,
and one behind it still waits  3. the next needs no word any more, and would overtake that one.
Source: ReplicaManager.handleProduceAppend, AddPartitionsToTxnManager of Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ...protocol.connection import Request
from ...protocol.errors import ApiError, ErrorCode, Refused
from ...protocol.messages.produce import TopicProduceData
from ..broker import Broker
from ..partitions.admission import Admission
from ..partitions.batch_check import header_of
from ..transactions.outcomes import Answer, Outcome, told
from ..transactions.transaction import BUMPING, Now, TopicPartition
from ..waiting.long_work import Steps, awaited
from ..waiting.promise import Promise
from .storing import (
    PARTITIONS_A_STEP,
    Joined,
    StoringOutcome,
    Words,
    answer,
    open_batches,
    portions,
    still_named,
    store,
)

ADDS_SINCE: Final = 12
LOOKED_AT_A_STEP: Final = 200
NO_WORDS: Final[Words] = {}
_WHY: Final = {
    ErrorCode.TRANSACTION_ABORTABLE: "the partition was not added to the transaction",
    ErrorCode.CONCURRENT_TRANSACTIONS: "the transaction before is still being ended",
}


class Producer(NamedTuple):
    """Who has made a transactional batch."""

    producer_id: int
    producer_epoch: int


Found = tuple[TopicPartition, Producer]


def handle(
    broker: Broker,
    request: Request,
    transactional_id: str,
    listed: list[TopicProduceData],
    *,
    must_open: bool,
) -> Any:
    """Store the batches of a request that has transactional ones among them.

    Args:
        listed: each partition once.
        must_open: whether some are to be opened first.
    """
    if must_open or len(listed) > 1 or len(listed[0].partition_data) > PARTITIONS_A_STEP:
        return _Asking(broker, request, transactional_id).store_all(listed, must_open=must_open)
    found = [*_transactional(listed)]
    if len(found) > 1:
        _only_producer(found)
    begun = [each for each in found if _begins(broker, each)]
    if not begun:  # mostly
        return _answer(broker, request, store(broker, request, listed, {}))
    asking = _Asking(broker, request, transactional_id)
    word = asking.ask(begun)
    if isinstance(word, Promise):
        return asking.store_when_told(listed, begun, word)
    return _answer(broker, request, store(broker, request, listed, {}, asking.words(begun, word)))


class _Asking:
    """The batches of one request on their way past the coordinator.

    Attributes:
        refused: why none of them may begin a transaction; nobody is asked again.
    """

    def __init__(self, broker: Broker, request: Request, transactional_id: str) -> None:
        self.refused: ErrorCode | None = None
        self._broker = broker
        self._request = request
        self._transactional_id = transactional_id
        self._version = request.route.version
        self._adds = self._version >= ADDS_SINCE

    def store_all(self, listed: list[TopicProduceData], *, must_open: bool) -> Steps:
        """Store all of them: some partitions after the other, each portion asked for anew."""
        found: list[Found] = []
        for each in _transactional(listed):
            found.append(each)
            if not len(found) % LOOKED_AT_A_STEP:
                yield None
        _only_producer(found)
        opened = (yield from open_batches(self._broker, listed)) if must_open else {}
        if self._adds and len(found) > PARTITIONS_A_STEP:
            yield from self._add_all(found)
        joined = Joined()
        for number, portion in enumerate(portions(listed)):
            if number:
                yield None
            begun = [each for each in _transactional([portion]) if _begins(self._broker, each)]
            words = self.words(begun, (yield from awaited(self.ask(begun))))
            still_named(self._broker, portion)
            joined.add(store(self._broker, self._request, [portion], opened, words))
        return _answer(self._broker, self._request, joined.stored())

    def _add_all(self, found: Sequence[Found]) -> Steps:
        """Add them at once, so that it is one record; the portions then find themselves added."""
        begun: list[Found] = []
        for number, each in enumerate(found, 1):
            if _begins(self._broker, each):
                begun.append(each)
            if not number % LOOKED_AT_A_STEP:
                yield None
        self.words(begun, (yield from awaited(self.ask(begun))))

    def store_when_told(
        self, listed: list[TopicProduceData], begun: Sequence[Found], word: Promise
    ) -> Steps:
        """The same for few partitions, about which the word is still to come."""
        words = self.words(begun, (yield word))
        for topic in listed:
            still_named(self._broker, topic)
        return _answer(
            self._broker, self._request, store(self._broker, self._request, listed, {}, words)
        )

    def ask(self, begun: Sequence[Found]) -> Answer | Promise:
        """What the coordinator says about batches that begin a transaction, all of one producer."""
        if not begun or self.refused is not None:
            return Answer(self.refused or ErrorCode.NONE)
        transactions, name = self._broker.transactions, self._transactional_id
        coordinator, (producer_id, epoch) = transactions.coordinator, begun[0][1]
        places = [place for place, _ in begun]

        def add(now: Now) -> Outcome:
            return coordinator.add(
                name, producer_id, epoch, places, client_version=BUMPING, now=now
            )

        def verify(now: Now) -> Outcome:
            return coordinator.verify(name, producer_id, epoch, places)

        if self._adds:
            return transactions.ask(name, add)
        if not self._broker.config.transaction_partition_verification_enable:
            return Answer()
        return transactions.ask(name, verify)

    def words(self, begun: Sequence[Found], word: Answer) -> Words:
        """What a word of the coordinator means for each of them."""
        if word.code:
            self.refused = word.code
        admission = Admission(client_version=BUMPING if self._adds else 0)
        words: dict[tuple[str, int], Admission | Refused] = {}
        for place, _ in begun:
            code = word.code or word.by_partition.get(place, ErrorCode.NONE)
            words[place] = self._refusal(code) if code else admission
        return words or NO_WORDS

    def _refusal(self, code: ErrorCode) -> Refused:
        return Refused(told("Produce", self._version, code), _WHY.get(code, code.text))


def _answer(broker: Broker, request: Request, stored: StoringOutcome) -> Any:
    """The response: when the batches, and that they are in the transaction, are durable.

    1. a partition is added, and a batch stored there  2. the batch is durable, and acknowledged
    3. the power goes: no log knows that it was in the transaction, which commits without it.
    """
    return answer(broker, request, stored, is_durable=broker.transactions.ledger.is_durable)


def _begins(broker: Broker, found: Found) -> bool:
    """Whether a batch would begin a transaction in its partition."""
    place, producer = found
    partition = broker.partitions.get(place)
    if partition is not None:
        return partition.needs_word(*producer)
    topic = broker.state.topics.get(place.topic)  # nobody has written to it yet
    return topic is not None and 0 <= place.partition < topic.partition_count


def _transactional(listed: Sequence[TopicProduceData]) -> Iterator[Found]:
    """The transactional batches of producers with an id, which alone are part of transactions."""
    for topic in listed:
        for each in topic.partition_data:
            header = header_of(each.records)
            if isinstance(header, Refused) or not header.is_transactional:
                continue
            if header.producer_id >= 0:
                producer = Producer(header.producer_id, header.producer_epoch)
                yield TopicPartition(topic.name, each.index), producer


def _only_producer(found: Sequence[Found]) -> None:
    """Raises ApiError for more than one: a transaction is one producer's."""
    if len({producer for _, producer in found}) > 1:
        why = "the transactional batches of a request are of several producers"
        raise ApiError(ErrorCode.INVALID_PRODUCER_ID_MAPPING, why)
