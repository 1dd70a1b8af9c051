"""EDGE: Admin's calls about transactions: what coordinators know, what partitions hold, and ends.

A coordinator knows transactional ids; a partition's leader knows producer ids, and which of them
have a transaction open there. Where the two disagree for good, a transaction hangs.
Source: KafkaAdminClient.java, TransactionsCommand.java; KIP-664, KIP-994, KIP-1152.
Tests: tests/system/client/test_client_transactions.py
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from ...protocol.acls import AclOperation
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersTopic,
)
from ...protocol.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TransactionState,
)
from ...protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ...protocol.messages.list_transactions import (
    LIST_TRANSACTIONS,
    ListTransactionsRequest,
    ListTransactionsResponse,
)
from ...protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from ..cluster.connection import Connection
from ..cluster.coordinator import Coordinated, version_max
from ..door import door, place_door
from ..errors import Fatal, UnsupportedApi
from ..group.assignors import by_topic
from ..partitions import TopicPartition, name_of
from .asking import Asking, check
from .results import (
    HangingTransaction,
    ProducerDescription,
    TransactionDescription,
    TransactionListing,
)

DURATION_SINCE = 1
PATTERN_SINCE = 2
MAX_TIMEOUT_MS = 900_000  # transaction.max.timeout.ms of brokers, unless they were told otherwise
STATES = "Empty, Ongoing, PrepareCommit, CompleteCommit, PrepareAbort, CompleteAbort, Dead"
NOTHING_OPEN = ErrorCode.INVALID_TXN_STATE
Producers = Mapping[TopicPartition, tuple[ProducerDescription, ...]]


class Transactions:
    """Transactional ids, producers of partitions, and transactions that have to be ended by hand.

    Methods that begin with an underscore ask once; the public ones ask again within the bound.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def list_transactions(
        self,
        states: Iterable[str] = (),
        *,
        producer_ids: Iterable[int] = (),
        duration_ms: int | None = None,
        pattern: str | None = None,
    ) -> list[TransactionListing]:
        """The transactional ids of all coordinators, by name."""
        request = ListTransactionsRequest(
            state_filters=sorted(set(door.texts("states", states))),
            producer_id_filters=[
                door.whole("each of producer_ids", each, -1, door.LONG_MAX)
                for each in door.listed("producer_ids", producer_ids, "of int")
            ],
            duration_filter=-1,
            transactional_id_pattern=door.optional_text("pattern", pattern),
        )
        if duration_ms is not None:
            request.duration_filter = door.whole("duration_ms", duration_ms, 0, door.LONG_MAX)
        return await self._asking.persist("list transactions", lambda: self._list(request))

    async def describe_transactions(
        self, transactional_ids: Iterable[str]
    ) -> dict[str, TransactionDescription]:
        """State, producer and partitions of each transactional id."""
        names = sorted(set(door.texts("transactional_ids", transactional_ids)))

        async def ask() -> dict[str, TransactionDescription]:
            found = await self._describe(names)
            for _, each in found:
                _check_id(each.transactional_id, each.error_code, AclOperation.DESCRIBE)
            described = {
                each.transactional_id: _described(node_id, each) for node_id, each in found
            }
            return {name: described[name] for name in names}

        return await self._asking.persist("describe transactions", ask)

    async def describe_producers(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, tuple[ProducerDescription, ...]]:
        """The producers that each partition's leader knows, by producer id."""
        places = place_door.places("partitions", partitions)
        found = await self._asking.persist("describe producers", lambda: self._producers(places))
        return dict(found)

    async def abort_transaction(self, partition: TopicPartition, start_offset: int) -> None:
        """End what is open in one partition with an abort marker, whatever its coordinator says."""
        place = place_door.place("partition", partition)
        offset = door.whole("start_offset", start_offset, 0, door.LONG_MAX)
        was_sent = False

        async def ask() -> None:
            # Looked at anew each time: 1. the marker is written, its answer lost. 2. The producer
            # begins its next transaction. 3. The same marker again would abort that one.
            nonlocal was_sent
            (producers,) = (await self._producers([place])).values()
            open_there = [each for each in producers if each.transaction_start_offset == offset]
            if not open_there and was_sent:
                return
            if not open_there:
                raise Fatal(_no_transaction(place, offset, producers), code=NOTHING_OPEN)
            was_sent = True
            await self._write_abort_marker(place, open_there[0])

        await self._asking.persist(f"abort a transaction in {name_of(place)}", ask)

    async def force_terminate_transaction(self, transactional_id: str) -> None:
        """Abort what is open under a transactional id, and fence its producer."""
        name = door.text("transactional_id", transactional_id)

        async def ask() -> None:
            # Looked up first: InitProducerId would create an id that nobody knows. And it takes a
            # timeout, which stays the id's own.
            ((node_id, known),) = await self._describe([name])
            _check_id(name, known.error_code, AclOperation.DESCRIBE)
            request = InitProducerIdRequest(
                transactional_id=name, transaction_timeout_ms=known.transaction_timeout_ms
            )
            connection = await self._asking.node(node_id)
            answer: InitProducerIdResponse = await self._asking.request(connection, request)
            _check_id(name, answer.error_code, AclOperation.WRITE)

        await self._asking.persist(f"terminate the transaction of {name}", ask)

    async def find_hanging_transactions(
        self, partitions: Iterable[TopicPartition], *, max_transaction_timeout_ms: int
    ) -> list[HangingTransaction]:
        """Transactions open for longer than any may be, of which no coordinator knows."""
        places = place_door.places("partitions", partitions)
        limit_ms = door.whole(
            "max_transaction_timeout_ms", max_transaction_timeout_ms, 0, door.LONG_MAX
        )

        async def ask() -> list[HangingTransaction]:
            old = _open_since(await self._producers(places), time.time() * 1000 - limit_ms)
            if not old:
                return []
            known = await self._known({producer_id for _, producer_id, _ in old})
            unknown = [each for each in old if each[0] not in known.get(each[1], ())]
            # 1. Seen open here. 2. Ended, as its coordinator then says: it knows of none. Only what
            # is still open afterwards hangs.
            still = await self._producers({place for place, _, _ in unknown})
            return [
                HangingTransaction(place, each)
                for place, producers in sorted(still.items())
                for each in producers
                if (place, each.producer_id, each.transaction_start_offset) in unknown
            ]

        return await self._asking.persist("find hanging transactions", ask)

    async def _list(self, request: ListTransactionsRequest) -> list[TransactionListing]:
        await self._asking.cluster.refresh()
        found: list[TransactionListing] = []
        for node_id in self._asking.cluster.metadata.brokers:
            connection = await self._asking.node(node_id)
            _check_filters(node_id, connection, request)
            answer: ListTransactionsResponse = await self._asking.request(connection, request)
            check(answer.error_code, f"list the transactions of node {node_id}")
            if answer.unknown_state_filters:
                names = ", ".join(map(repr, answer.unknown_state_filters))
                raise Fatal(f"node {node_id} knows no state {names}; Kafka's states are {STATES}")
            found += [
                TransactionListing(
                    each.transactional_id, each.producer_id, each.transaction_state, node_id
                )
                for each in answer.transaction_states
            ]
        return sorted(found, key=lambda each: each.transactional_id)

    async def _describe(self, names: Iterable[str]) -> list[tuple[int, TransactionState]]:
        """(coordinator, what it says) of each transactional id, errors included."""
        by_node: dict[int, list[str]] = {}
        for name in names:
            node_id = await self._asking.coordinator_id(Coordinated.TRANSACTION, name)
            by_node.setdefault(node_id, []).append(name)
        found: list[tuple[int, TransactionState]] = []
        for node_id, here in by_node.items():
            answer: DescribeTransactionsResponse = await self._asking.request(
                await self._asking.node(node_id),
                DescribeTransactionsRequest(transactional_ids=here),
            )
            found += [(node_id, each) for each in answer.transaction_states]
        return found

    async def _producers(self, places: Collection[TopicPartition]) -> Producers:
        found: dict[TopicPartition, tuple[ProducerDescription, ...]] = {}
        for node_id, here in (await self._asking.by_leader(places)).items():
            topics = [
                DescribeProducersTopic(name=each.topic, partition_indexes=[*each.partitions])
                for each in by_topic(here)
            ]
            answer: DescribeProducersResponse = await self._asking.request(
                await self._asking.node(node_id), DescribeProducersRequest(topics=topics)
            )
            for topic in answer.topics:
                for partition in topic.partitions:
                    place = TopicPartition(topic.name, partition.partition_index)
                    said = partition.error_message
                    check(partition.error_code, name_of(place), said, AclOperation.READ)
                    known = (
                        ProducerDescription(
                            producer_id=each.producer_id,
                            producer_epoch=each.producer_epoch,
                            last_sequence=each.last_sequence,
                            last_timestamp=each.last_timestamp,
                            coordinator_epoch=each.coordinator_epoch,
                            transaction_start_offset=each.current_txn_start_offset,
                        )
                        for each in partition.active_producers
                    )
                    found[place] = tuple(sorted(known, key=lambda each: each.producer_id))
        return {place: found[place] for place in places}

    async def _known(self, producer_ids: set[int]) -> dict[int, frozenset[TopicPartition]]:
        """The partitions of the transactions that coordinators know, by producer id."""
        request = ListTransactionsRequest(
            state_filters=[], producer_id_filters=sorted(producer_ids)
        )
        names = [each.transactional_id for each in await self._list(request)]
        known: dict[int, frozenset[TopicPartition]] = {}
        for _, each in await self._describe(names):
            if each.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
                continue  # expired since it was listed
            _check_id(each.transactional_id, each.error_code, AclOperation.DESCRIBE)
            known[each.producer_id] = _places(each)
        return known

    async def _write_abort_marker(self, place: TopicPartition, open_: ProducerDescription) -> None:
        # In the epoch of the transaction itself, as Kafka's tool does; with transaction_version 2 a
        # broker would want the next one, and refuse this with INVALID_PRODUCER_EPOCH.
        marker = WritableTxnMarker(
            producer_id=open_.producer_id,
            producer_epoch=open_.producer_epoch,
            transaction_result=False,
            topics=[WritableTxnMarkerTopic(name=place.topic, partition_indexes=[place.partition])],
            coordinator_epoch=max(0, open_.coordinator_epoch),
        )
        ((node_id, _),) = (await self._asking.by_leader([place])).items()
        answer: WriteTxnMarkersResponse = await self._asking.request(
            await self._asking.node(node_id), WriteTxnMarkersRequest(markers=[marker])
        )
        code = answer.markers[0].topics[0].partitions[0].error_code
        check(code, name_of(place), None, AclOperation.ALTER)


def _check_id(name: str, code: int, needed: AclOperation) -> None:
    check(code, f"transactional id {name}", None, needed)


def _check_filters(node_id: int, connection: Connection, request: ListTransactionsRequest) -> None:
    """Raise UnsupportedApi for a filter that a broker would not understand."""
    offered = version_max(connection, LIST_TRANSACTIONS.key)
    wanted = {
        "a duration": DURATION_SINCE if request.duration_filter >= 0 else 0,
        "a pattern": PATTERN_SINCE if request.transactional_id_pattern is not None else 0,
    }
    for what, since in wanted.items():
        if 0 <= offered < since:
            raise UnsupportedApi(
                f"{what} takes ListTransactions v{since}, and node {node_id} offers v{offered} at "
                "most: list without it"
            )


def _described(node_id: int, state: TransactionState) -> TransactionDescription:
    return TransactionDescription(
        transactional_id=state.transactional_id,
        coordinator=node_id,
        state=state.transaction_state,
        producer_id=state.producer_id,
        producer_epoch=state.producer_epoch,
        timeout_ms=state.transaction_timeout_ms,
        start_time_ms=state.transaction_start_time_ms,
        partitions=_places(state),
    )


def _places(state: TransactionState) -> frozenset[TopicPartition]:
    return frozenset(
        TopicPartition(each.topic, partition)
        for each in state.topics
        for partition in each.partitions
    )


def _open_since(producers: Producers, before_ms: float) -> list[tuple[TopicPartition, int, int]]:
    """(partition, producer id, start offset) of what is open and was last written to before."""
    return [
        (place, each.producer_id, each.transaction_start_offset)
        for place, known in producers.items()
        for each in known
        if each.transaction_start_offset >= 0 and each.last_timestamp <= before_ms
    ]


def _no_transaction(
    place: TopicPartition, offset: int, producers: Iterable[ProducerDescription]
) -> str:
    offsets = sorted(each.transaction_start_offset for each in producers)
    begun = ", ".join(str(each) for each in offsets if each >= 0)
    hint = f"those open there began at {begun}" if begun else "none is open there"
    return f"{name_of(place)}: no open transaction began at offset {offset}; {hint}"
