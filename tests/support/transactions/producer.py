"""A transactional id, and every request that a producer makes in its name.

Each returns its answer as a short text (stage.py). The epoch is always the caller's to say; `pid`
is a letter of the producer ids that this transactional id was given, or a number.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from minibroker.client.cluster.connection import Connection
from minibroker.protocol.batch.header import TRANSACTIONAL_BIT
from minibroker.protocol.batch.writing import build_batch
from minibroker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from minibroker.protocol.messages.describe_transactions import DescribeTransactionsRequest
from minibroker.protocol.messages.end_txn import EndTxnRequest
from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)

if TYPE_CHECKING:
    from tests.support.transactions.stage import Stage

FIRST_AT_MS = int(time.time() * 1000) - 60_000  # older records would begin segments, or go
IDS = "pqrstuvw"
Where = int | str  # a partition of topic A, or `B-1`


class Producer:
    """A transactional id as one broker knows it.

    Attributes:
        ids: the producer ids it was given, by letter.
        epoch: the last one it was told.
        tv: 1 or 2: which versions its client speaks where a row names none.
    """

    def __init__(self, stage: Stage, letter: str, name: str, *, tv: int, timeout_ms: int) -> None:
        self.stage = stage
        self.letter = letter
        self.name = name
        self.tv = tv
        self.timeout_ms = timeout_ms
        self.ids: dict[str, int] = {}
        self.epoch = -1

    async def init(
        self,
        pid: str | int = -1,
        epoch: int = -1,
        *,
        v: int = 5,
        timeout_ms: int | None = None,
        on: Connection | None = None,
    ) -> str:
        """InitProducerId; also named by versions that have no fields for what is -1."""
        known = {"producer_id": self.id(pid), "producer_epoch": epoch} if v >= 3 else {}
        request = InitProducerIdRequest(
            transactional_id=self.name,
            transaction_timeout_ms=self.timeout_ms if timeout_ms is None else timeout_ms,
            **known,
        )
        return self.granted(await self.stage.ask(request, v, on=on))

    async def add(
        self,
        *parts: Where,
        epoch: int = 0,
        v: int = 3,
        pid: str | int = "p",
        name: str | None = None,
    ) -> str:
        """AddPartitionsToTxn v0 to v3: the code of each partition, in the order of asking."""
        places = [self.stage.part(each) for each in parts]
        topics: dict[str, list[int]] = {}
        for topic, index in places:
            topics.setdefault(topic, []).append(index)
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.name if name is None else name,
            v3_and_below_producer_id=self.id(pid),
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=[
                AddPartitionsToTxnTopic(name=topic, partitions=indexes)
                for topic, indexes in topics.items()
            ],
        )
        answer = await self.stage.ask(request, v)
        return shown_codes(places, answer.results_by_topic_v3_and_below)

    async def add_offsets(
        self,
        group: str,
        *,
        epoch: int = 0,
        v: int = 4,
        pid: str | int = "p",
        name: str | None = None,
    ) -> str:
        """AddOffsetsToTxn."""
        request = AddOffsetsToTxnRequest(
            transactional_id=self.name if name is None else name,
            producer_id=self.id(pid),
            producer_epoch=epoch,
            group_id=self.stage.groups.name(group),
        )
        return str((await self.stage.ask(request, v)).error_code)

    def batch(
        self,
        sequence: int,
        count: int = 1,
        *,
        epoch: int = 0,
        pid: str | int = "p",
        is_transactional: bool = True,
        size: int = 1,
    ) -> bytes:
        """A batch of this producer."""
        return build_batch(
            [(None, b"v" * size, (), FIRST_AT_MS)] * count,
            attributes=TRANSACTIONAL_BIT if is_transactional else 0,
            producer_id=self.id(pid),
            producer_epoch=epoch,
            base_sequence=sequence,
        )

    async def produce(
        self,
        sequence: int,
        count: int = 1,
        *,
        to: Where = 0,
        epoch: int = 0,
        v: int | None = None,
        pid: str | int = "p",
        name: str | None = "its own",
        is_transactional: bool = True,
        size: int = 1,
        acks: int = -1,
        on: Connection | None = None,
    ) -> str:
        """Produce one batch to one partition; `name` is the transactional id of the request."""
        batch = self.batch(
            sequence, count, epoch=epoch, pid=pid, is_transactional=is_transactional, size=size
        )
        return await self.send((to, batch), v=v, name=name, acks=acks, on=on)

    async def send(
        self,
        *batches: tuple[Where, bytes],
        v: int | None = None,
        name: str | None = "its own",
        acks: int = -1,
        on: Connection | None = None,
    ) -> str:
        """Produce any batches: code, offset and message of each, in the order of asking."""
        version = (11 if self.tv == 1 else 12) if v is None else v
        name = self.name if name == "its own" else name
        answer = await self.stage.ask(
            self.request(*batches, name=name, v=version, acks=acks), version, on=on
        )
        found = {
            (topic.topic_id if version >= 13 else topic.name, each.index): each
            for topic in answer.responses
            for each in topic.partition_responses
        }
        places = [self.stage.part(where) for where, _ in batches]
        ids = [self.stage.topic_id(topic) if version >= 13 else topic for topic, _ in places]
        each = [stored(found[name, index]) for name, (_, index) in zip(ids, places, strict=True)]
        return " ".join(each)

    def request(
        self, *batches: tuple[Where, bytes], name: str | None, v: int, acks: int = -1
    ) -> ProduceRequest:
        """A Produce."""
        topics: dict[str, list[PartitionProduceData]] = {}
        for where, batch in batches:
            topic, index = self.stage.part(where)
            data = PartitionProduceData(index=index, records=batch)
            topics.setdefault(topic, []).append(data)
        return ProduceRequest(
            transactional_id=name,
            acks=acks,
            timeout_ms=10_000,
            topic_data=[
                TopicProduceData(topic_id=self.stage.topic_id(topic), partition_data=data)
                if v >= 13
                else TopicProduceData(name=topic, partition_data=data)
                for topic, data in topics.items()
            ],
        )

    async def end(
        self,
        is_commit: bool,
        epoch: int = 0,
        *,
        v: int | None = None,
        pid: str | int = "p",
        name: str | None = None,
        on: Connection | None = None,
    ) -> str:
        """EndTxn."""
        version = (4 if self.tv == 1 else 5) if v is None else v
        request = EndTxnRequest(
            transactional_id=self.name if name is None else name,
            producer_id=self.id(pid),
            producer_epoch=epoch,
            committed=is_commit,
        )
        answer = await self.stage.ask(request, version, on=on)
        return self.granted(answer) if version >= 5 else str(answer.error_code)

    async def commit(
        self,
        epoch: int = 0,
        *,
        v: int | None = None,
        pid: str | int = "p",
        name: str | None = None,
        on: Connection | None = None,
    ) -> str:
        """EndTxn, to commit."""
        return await self.end(True, epoch, v=v, pid=pid, name=name, on=on)

    async def abort(
        self,
        epoch: int = 0,
        *,
        v: int | None = None,
        pid: str | int = "p",
        name: str | None = None,
        on: Connection | None = None,
    ) -> str:
        """EndTxn, to abort."""
        return await self.end(False, epoch, v=v, pid=pid, name=name, on=on)

    async def state(self) -> str:
        """DescribeTransactions: state, producer id, epoch and partitions."""
        found = await self.described()
        if found.error_code:
            return str(found.error_code)
        parts = sorted(
            self.stage.shown_part(topic.topic, index)
            for topic in found.topics
            for index in topic.partitions
        )
        shown = [found.transaction_state, self.shown(found.producer_id), str(found.producer_epoch)]
        return " ".join(shown + parts)

    async def described(self) -> Any:
        """DescribeTransactions, as it came."""
        request = DescribeTransactionsRequest(transactional_ids=[self.name])
        return (await self.stage.ask(request, 0)).transaction_states[0]

    async def over(self) -> str:
        """Its state, when no ending is under way."""
        return (await self.stage.settled(self._state_or_busy)).removeprefix("51.. ")

    async def _state_or_busy(self) -> str:
        state = await self.state()
        return f"51 {state}" if state.startswith("Prepare") else state

    def id(self, pid: str | int) -> int:
        """The producer id that a letter stands for."""
        return pid if isinstance(pid, int) else self.ids[pid]

    def shown(self, producer_id: int) -> str:
        """The letter of a producer id, the next one for a new id."""
        for letter, each in self.ids.items():
            if each == producer_id:
                return letter
        letter = IDS[len(self.ids)]
        self.ids[letter] = producer_id
        return letter

    def granted(self, answer: Any) -> str:
        """A code with a producer id and epoch, unless there are none."""
        if (answer.producer_id, answer.producer_epoch) == (-1, -1):
            return str(answer.error_code)
        self.epoch = answer.producer_epoch
        return f"{answer.error_code} {self.shown(answer.producer_id)} {answer.producer_epoch}"


def stored(answer: Any) -> str:
    """What a partition says to a batch."""
    offset = "" if answer.base_offset == -1 else f" @{answer.base_offset}"
    message = f" <{answer.error_message}>" if answer.error_message else ""
    return f"{answer.error_code}{offset}{message}"


def shown_codes(places: list[tuple[str, int]], topics: list[Any]) -> str:
    """The code of each place once, in the order of asking; more or fewer answers are told."""
    found = [
        ((topic.name, each.partition_index), each.partition_error_code)
        for topic in topics
        for each in topic.results_by_partition
    ]
    codes, wanted = dict(found), list(dict.fromkeys(places))
    if len(found) != len(wanted):
        return f"{len(found)} answers: {found}"
    return " ".join(str(codes[each]) for each in wanted)
