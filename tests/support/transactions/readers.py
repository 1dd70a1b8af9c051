"""What readers of a partition are told, as short texts: Fetch, ListOffsets, DescribeProducers.

`hw=7 lso=5 [a@0] 0-1:a0 4: 7:COMMIT.b1` is a Fetch of one partition: the aborted transactions with
their first offsets (null where no list came), then each batch: its offsets, the producer and epoch
of transactional ones, and what a marker says. A batch that does not end within the bytes asked for
is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.control import read_marker
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from minibroker.protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from minibroker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from minibroker.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

from tests.support.transactions.producer import FIRST_AT_MS, Where, stored

if TYPE_CHECKING:
    from tests.support.transactions.stage import Stage

COMMITTED, UNCOMMITTED = 1, 0
ALL = 2**20


class Readers:
    """Everybody who reads what the stage's producers write; and a writer without transactions."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def plain(self, count: int = 1, *, to: Where = 0, timestamp_ms: int = FIRST_AT_MS) -> str:
        """A batch without a producer id."""
        topic, index = self._stage.part(to)
        batch = build_batch([(None, b"v", (), timestamp_ms)] * count)
        data = [PartitionProduceData(index=index, records=batch)]
        request = ProduceRequest(
            acks=-1,
            timeout_ms=10_000,
            topic_data=[TopicProduceData(name=topic, partition_data=data)],
        )
        answer = await self._stage.ask(request, 9)
        return stored(answer.responses[0].partition_responses[0])

    def request(
        self,
        offset: int,
        *,
        of: Where = 0,
        isolation: int = COMMITTED,
        max_bytes: int = ALL,
        wait_ms: int = 0,
        last_fetched_epoch: int = -1,
    ) -> FetchRequest:
        """A Fetch of one partition."""
        topic, index = self._stage.part(of)
        part = FetchPartition(
            partition=index,
            fetch_offset=offset,
            partition_max_bytes=max_bytes,
            last_fetched_epoch=last_fetched_epoch,
        )
        return FetchRequest(
            max_wait_ms=wait_ms,
            min_bytes=1,
            max_bytes=2 * ALL,
            isolation_level=isolation,
            topics=[FetchTopic(topic=topic, partitions=[part])],
        )

    async def fetch(
        self,
        offset: int = 0,
        *,
        of: Where = 0,
        isolation: int = COMMITTED,
        max_bytes: int = ALL,
        wait_ms: int = 0,
        last_fetched_epoch: int = -1,
        v: int = 12,
        on: Connection | None = None,
    ) -> str:
        """Fetch: everything that is told."""
        request = self.request(
            offset,
            of=of,
            isolation=isolation,
            max_bytes=max_bytes,
            wait_ms=wait_ms,
            last_fetched_epoch=last_fetched_epoch,
        )
        answer = await self._stage.ask(request, v, on=on)
        return self.shown(answer.responses[0].partitions[0])

    def shown(self, found: Any) -> str:
        """One partition of a Fetch."""
        code = f"{found.error_code} " if found.error_code else ""
        ends = f"hw={found.high_watermark} lso={found.last_stable_offset}"
        batches = [f" {each}" for each in self._batches(found.records or b"")]
        return f"{code}{ends} {self._aborted(found)}{''.join(batches)}"

    async def log(self, of: Where = 0) -> str:
        """All batches of a partition."""
        answer = await self._stage.ask(self.request(0, of=of, isolation=UNCOMMITTED), 12)
        return " ".join(self._batches(answer.responses[0].partitions[0].records or b""))

    async def records(self, offset: int = 0, of: Where = 0) -> bytes:
        """The bytes that a Fetch brings."""
        request = self.request(offset, of=of, isolation=UNCOMMITTED)
        found = (await self._stage.ask(request, 12)).responses[0].partitions[0]
        return bytes(found.records or b"")

    async def position(
        self, timestamp: int, *, of: Where = 0, isolation: int = COMMITTED, v: int = 9
    ) -> str:
        """ListOffsets: code if there is one, offset, and timestamp if there is one."""
        topic, index = self._stage.part(of)
        part = ListOffsetsPartition(partition_index=index, timestamp=timestamp)
        request = ListOffsetsRequest(
            isolation_level=isolation, topics=[ListOffsetsTopic(name=topic, partitions=[part])]
        )
        answer = (await self._stage.ask(request, v)).topics[0].partitions[0]
        code = f"{answer.error_code} " if answer.error_code else ""
        at = "" if answer.timestamp == -1 else f" at {answer.timestamp}"
        return f"{code}@{answer.offset}{at}"

    async def ends(self, of: Where = 0) -> str:
        """ListOffsets -1 for both isolation levels: high watermark and last stable offset."""
        both = [await self.position(-1, of=of, isolation=each) for each in (UNCOMMITTED, COMMITTED)]
        return " ".join(both)

    async def producers(self, of: Where = 0) -> str:
        """DescribeProducers: of each its epoch, last sequence, coordinator epoch, first offset."""
        found = await self.described(of)
        each = sorted(
            f"{self._stage.who(one.producer_id)} e{one.producer_epoch} s{one.last_sequence}"
            f" c{one.coordinator_epoch}"
            + ("" if one.current_txn_start_offset == -1 else f" @{one.current_txn_start_offset}")
            for one in found.active_producers
        )
        if found.error_code:
            message = f" <{found.error_message}>" if found.error_message else ""
            return f"{found.error_code}{message}"
        return ", ".join(each)

    async def described(self, of: Where = 0) -> Any:
        """DescribeProducers of one partition, as it came."""
        topic, index = self._stage.part(of)
        asked = DescribeProducersTopic(name=topic, partition_indexes=[index])
        answer = await self._stage.ask(DescribeProducersRequest(topics=[asked]), 0)
        return answer.topics[0].partitions[0]

    async def delete_before(self, offset: int, of: Where = 0) -> str:
        """DeleteRecords: code and the new start."""
        topic, index = self._stage.part(of)
        part = DeleteRecordsPartition(partition_index=index, offset=offset)
        request = DeleteRecordsRequest(
            topics=[DeleteRecordsTopic(name=topic, partitions=[part])], timeout_ms=10_000
        )
        answer = (await self._stage.ask(request, 2)).topics[0].partitions[0]
        return f"{answer.error_code} @{answer.low_watermark}"

    def _aborted(self, found: Any) -> str:
        if found.aborted_transactions is None:
            return "null"
        each = [
            f"{self._stage.who(one.producer_id)}@{one.first_offset}"
            for one in found.aborted_transactions
        ]
        return f"[{' '.join(each)}]"

    def _batches(self, records: bytes | memoryview) -> list[str]:
        data, shown = bytes(records), []
        while len(data) > 12 and len(data) >= (size := 12 + int.from_bytes(data[8:12], "big")):
            shown.append(self._batch(data[:size]))
            data = data[size:]
        return shown

    def _batch(self, batch: bytes) -> str:
        header = read_header(batch)
        last = header.base_offset + header.last_offset_delta
        offsets = str(last) if last == header.base_offset else f"{header.base_offset}-{last}"
        marker = read_marker(batch) if header.is_control else None
        who = f"{self._stage.who(header.producer_id)}{header.producer_epoch}"
        if marker is not None:
            return f"{offsets}:{'COMMIT' if marker.is_commit else 'ABORT'}.{who}"
        return f"{offsets}:{who if header.is_transactional else ''}"


class FetchSession:
    """A consumer with a session, if the broker gives it one: it names what it reads only once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._id = self._epoch = 0
        self._offset = -1

    async def ask(self, offset: int) -> str:
        """Fetch from an offset on: whether a session was opened, and what is told."""
        request = self._stage.readers.request(offset)
        request.session_id, request.session_epoch = self._id, self._epoch
        if self._id and offset == self._offset:
            request.topics = []
        answer = await self._stage.ask(request, 12)
        assert answer.error_code == 0, answer
        shown = [
            self._stage.readers.shown(each)
            for topic in answer.responses
            for each in topic.partitions
        ]
        if not answer.session_id:
            shown.insert(0, "declined")
        elif not self._id:
            shown.insert(0, "opened")
        if answer.session_id:
            self._id, self._epoch, self._offset = answer.session_id, self._epoch + 1, offset
        return " ".join(shown)
