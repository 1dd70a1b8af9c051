"""EDGE: a transactional producer without a client: its requests one by one, to any one broker.

For tests of those who look at transactions, which must not depend on a client of ours that makes
them. Speaks as clients of KIP-98 do (AddPartitionsToTxn v3, Produce v11, EndTxn v4), so that the
same producer works with every broker. What only says "not yet" is asked again, within WAIT_S.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from minibroker.client import TopicPartition
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.errors import ErrorCode, error_code
from minibroker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.find_coordinator import FindCoordinatorRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from tests.support.in_loop.looking import pause

WAIT_S = 30.0
TIMEOUT_MS = 60_000
GROUP, TRANSACTION = 0, 1  # key_type of FindCoordinator
NOW_MS = 1_700_000_000_000
NOT_YET = {
    *(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
    *(ErrorCode.NOT_COORDINATOR, ErrorCode.CONCURRENT_TRANSACTIONS),
    *(ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
}


class RawProducer:
    """One transactional producer; `async with` opens its connection and gets its producer id.

    Attributes:
        last: the newest error code, also when it is not one that raises.
    """

    def __init__(self, bootstrap: str, transactional_id: str) -> None:
        self.transactional_id = transactional_id
        self.producer_id = -1
        self.producer_epoch = -1
        self._bootstrap = bootstrap.partition(",")[0]
        self._connection: Connection | None = None
        self._sequences: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        host, _, port = self._bootstrap.rpartition(":")
        self._connection = await Connection.open(host, int(port))
        await self._find(TRANSACTION, self.transactional_id)
        request = InitProducerIdRequest(
            transactional_id=self.transactional_id, transaction_timeout_ms=TIMEOUT_MS
        )
        answer = await self._until_done(request, 4, lambda each: each.error_code)
        self.producer_id, self.producer_epoch = answer.producer_id, answer.producer_epoch
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._connection is not None
        await self._connection.close()

    async def add(self, *places: TopicPartition) -> None:
        """Make partitions part of the transaction."""
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.transactional_id,
            v3_and_below_producer_id=self.producer_id,
            v3_and_below_producer_epoch=self.producer_epoch,
            v3_and_below_topics=[
                AddPartitionsToTxnTopic(name=topic, partitions=[partition])
                for topic, partition in places
            ],
        )
        await self._until_done(
            request,
            3,
            lambda each: (
                each.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
            ),
        )

    async def write(
        self, place: TopicPartition, *values: bytes, is_added: bool = False, now_ms: int = NOW_MS
    ) -> int:
        """Write a batch as part of the transaction; returns its first offset.

        Args:
            is_added: leave out AddPartitionsToTxn, for a broker that does not ask for it: it may
                take a moment until it has learned that it should not.
        """
        if not is_added:
            await self.add(place)
        sequence = self._sequences.get(place, 0)
        batch = build_batch(
            [(None, value, (), now_ms) for value in values],
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            base_sequence=sequence,
            attributes=TRANSACTIONAL_BIT,
        )
        data = [PartitionProduceData(index=place.partition, records=batch)]
        request = ProduceRequest(
            transactional_id=self.transactional_id,
            acks=-1,
            timeout_ms=TIMEOUT_MS,
            topic_data=[TopicProduceData(name=place.topic, partition_data=data)],
        )
        answer = await self._until_done(
            request,
            11,
            lambda each: each.responses[0].partition_responses[0].error_code,
            NOT_YET | {ErrorCode.TRANSACTION_ABORTABLE} if is_added else NOT_YET,
        )
        self._sequences[place] = sequence + len(values)
        offset: int = answer.responses[0].partition_responses[0].base_offset
        return offset

    async def commit_offset(self, group_id: str, place: TopicPartition, offset: int) -> None:
        """Make an offset of a group part of the transaction."""
        await self._find(GROUP, group_id)
        who = (self.transactional_id, self.producer_id, self.producer_epoch)
        await self._until_done(
            AddOffsetsToTxnRequest(
                transactional_id=who[0],
                producer_id=who[1],
                producer_epoch=who[2],
                group_id=group_id,
            ),
            3,
            lambda each: each.error_code,
        )
        entry = TxnOffsetCommitRequestPartition(
            partition_index=place.partition, committed_offset=offset, committed_metadata=None
        )
        await self._until_done(
            TxnOffsetCommitRequest(
                transactional_id=who[0],
                group_id=group_id,
                producer_id=who[1],
                producer_epoch=who[2],
                topics=[TxnOffsetCommitRequestTopic(name=place.topic, partitions=[entry])],
            ),
            3,
            lambda each: each.topics[0].partitions[0].error_code,
        )

    async def end(self, *, commit: bool) -> ErrorCode:
        """End the transaction; returns the error code, which may be that of a fenced producer."""
        request = EndTxnRequest(
            transactional_id=self.transactional_id,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            committed=commit,
        )
        answer = await self._ask(request, 4, lambda each: each.error_code)
        return error_code(answer.error_code)

    async def _find(self, kind: int, key: str) -> None:
        """Wait for a coordinator; a broker may make its topic only now."""
        request = FindCoordinatorRequest(key_type=kind, coordinator_keys=[key])
        await self._until_done(request, 4, lambda each: each.coordinators[0].error_code)

    async def _until_done(
        self,
        message: Any,
        version: int,
        code_of: Callable[[Any], int],
        not_yet: set[ErrorCode] = NOT_YET,
    ) -> Any:
        answer = await self._ask(message, version, code_of, not_yet)
        code = error_code(code_of(answer))
        assert code is ErrorCode.NONE, f"{type(message).__name__}: {code.name}"
        return answer

    async def _ask(
        self,
        message: Any,
        version: int,
        code_of: Callable[[Any], int],
        not_yet: set[ErrorCode] = NOT_YET,
    ) -> Any:
        assert self._connection is not None
        async with asyncio.timeout(WAIT_S):
            while True:
                answer = await self._connection.request(message, version=version)
                if code_of(answer) not in not_yet:
                    return answer
                await pause()
