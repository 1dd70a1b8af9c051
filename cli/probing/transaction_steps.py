"""The steps that probe rows about transactions are made of; first read steps.py.

Each row has a transactional id and a group of its own. Words: `0/2` error code 0 and epoch 2;
`stable=4` the last stable offset; `read=3` how many records a reader of committed ones sees;
`offset=5` what the group has committed. What only says that an earlier step is still being carried
out (a marker not written yet) is asked again.
Tests: tests/unit/test_probe.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...client.fetch.isolation import Visibility
from ...protocol.batch.header import TRANSACTIONAL_BIT, headers_in
from ...protocol.errors import ErrorCode
from ...protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ...protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from ...protocol.messages.end_txn import EndTxnRequest
from ...protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ...protocol.messages.init_producer_id import InitProducerIdRequest
from ...protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from ...protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from ...protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from .steps import (
    GROUP,
    LATEST,
    TIMEOUT_MS,
    TRANSACTION,
    Ask,
    Place,
    Scene,
    Step,
    code,
    here,
    plus,
    produce,
    until_not,
)

READ_COMMITTED = 1
FETCH_BYTES = 1_000_000
KIP_890_PRODUCE = 12  # versions from which a client needs no AddPartitionsToTxn, …
KIP_890_END = 5  # … gets its next epoch with every end, …
KIP_890_OFFSETS = 5  # … and needs no AddOffsetsToTxn
# Words of a coordinator that is not ready for the request: it starts, or writes markers.
BUSY = [
    f"{each}"
    for each in (
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.CONCURRENT_TRANSACTIONS,
    )
]


def own_id(scene: Scene) -> str:
    """The transactional id, and the group, that no other row uses."""
    return f"{scene.prefix}{scene.partition}"


def no_name(_: Scene) -> str:
    """An empty transactional id."""
    return ""


def init(
    *,
    epoch: int | None = None,
    timeout_ms: int = TIMEOUT_MS,
    transactional_id: Callable[[Scene], str] = own_id,
) -> Step:
    """InitProducerId; with the producer's id and epoch as KIP-360 has it, where one is given."""

    def ask(scene: Scene) -> Ask:
        name = transactional_id(scene)
        request = InitProducerIdRequest(
            transactional_id=name,
            transaction_timeout_ms=timeout_ms,
            producer_id=-1 if epoch is None else scene.producer_id,
            producer_epoch=-1 if epoch is None else epoch,
        )
        at_least = 0 if epoch is None else 4  # v3 says 47 where later ones say 90
        return Ask(request, coordinator_of=(TRANSACTION, name), at_least=at_least)

    def learn(response: Any, scene: Scene) -> Scene:
        known = response.producer_id if response.producer_id >= 0 else scene.producer_id
        return replace(scene, producer_id=known)

    return until_not(Step(ask, code_and_epoch, learn=learn), *BUSY)


def add(where: Callable[[Scene], Place] = here, *, epoch: int = 0) -> Step:
    """AddPartitionsToTxn of one partition."""

    def ask(scene: Scene) -> Ask:
        topic, partition = where(scene)
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=own_id(scene),
            v3_and_below_producer_id=scene.producer_id,
            v3_and_below_producer_epoch=epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=[partition])],
        )
        return _to_coordinator(request, scene, at_least=2)

    def word(response: Any, _: Scene) -> str:
        topic = response.results_by_topic_v3_and_below[0]
        return f"{topic.results_by_partition[0].partition_error_code}"

    return until_not(Step(ask, word), *BUSY)


def write(sequence: int, count: int = 1, *, epoch: int = 0, at_least: int = 0) -> Step:
    """Produce one transactional batch; arguments as in `produce`."""
    step = produce(
        sequence,
        count,
        epoch=epoch,
        distort=plus({"attributes": TRANSACTIONAL_BIT}),
        transactional_id=own_id,
        at_least=at_least,
    )
    return until_not(step, *BUSY)


def end(*, commit: bool, epoch: int = 0) -> Step:
    """EndTxn as clients before KIP-890 send it."""
    return until_not(Step(_end_request(commit, epoch, 2), _plain_code), *BUSY)


def end_and_go_on(*, commit: bool, epoch: int = 0) -> Step:
    """EndTxn that answers with the epoch of the next transaction."""
    return until_not(Step(_end_request(commit, epoch, KIP_890_END), code_and_epoch), *BUSY)


def add_offsets() -> Step:
    """AddOffsetsToTxn of the row's group."""

    def ask(scene: Scene) -> Ask:
        request = AddOffsetsToTxnRequest(
            transactional_id=own_id(scene),
            producer_id=scene.producer_id,
            producer_epoch=0,
            group_id=own_id(scene),
        )
        return _to_coordinator(request, scene, at_least=2)

    return until_not(Step(ask, _plain_code), *BUSY)


def commit_offset(offset: int, *, epoch: int = 0, at_least: int = 3) -> Step:
    """TxnOffsetCommit of an offset of the row's partition, for the row's group, by no member."""

    def ask(scene: Scene) -> Ask:
        entry = TxnOffsetCommitRequestPartition(
            partition_index=scene.partition, committed_offset=offset, committed_metadata=None
        )
        request = TxnOffsetCommitRequest(
            transactional_id=own_id(scene),
            group_id=own_id(scene),
            producer_id=scene.producer_id,
            producer_epoch=epoch,
            topics=[TxnOffsetCommitRequestTopic(name=scene.topic, partitions=[entry])],
        )
        return Ask(request, coordinator_of=(GROUP, own_id(scene)), at_least=at_least)

    def word(response: Any, _: Scene) -> str:
        return code(response.topics[0].partitions[0])

    return until_not(Step(ask, word), *BUSY)


def stable_offset(*, is_ended: bool = False) -> Step:
    """What the row's group has committed, as a member reads it: unstable ones are refused.

    Args:
        is_ended: the transaction is: that it is not stable yet means that a marker is on its way.
    """

    def ask(scene: Scene) -> Ask:
        topic = OffsetFetchRequestTopic(name=scene.topic, partition_indexes=[scene.partition])
        request = OffsetFetchRequest(group_id=own_id(scene), topics=[topic], require_stable=True)
        return Ask(request, coordinator_of=(GROUP, own_id(scene)), at_least=7)

    def word(response: Any, _: Scene) -> str:
        answer = response.topics[0].partitions[0]
        return code(answer) if answer.error_code else f"offset={answer.committed_offset}"

    unstable = f"{ErrorCode.UNSTABLE_OFFSET_COMMIT}"
    return until_not(Step(ask, word), *BUSY, *([unstable] if is_ended else []))


def last_stable(awaited: int = 0) -> Step:
    """Where a reader of committed records ends in the row's partition.

    Args:
        awaited: asked again while it is lower: a marker may take a moment.
    """

    def ask(scene: Scene) -> Ask:
        partition = ListOffsetsPartition(partition_index=scene.partition, timestamp=LATEST)
        topic = ListOffsetsTopic(name=scene.topic, partitions=[partition])
        request = ListOffsetsRequest(isolation_level=READ_COMMITTED, topics=[topic])
        return Ask(request, here(scene), at_least=2)

    def word(response: Any, _: Scene) -> str:
        answer = response.topics[0].partitions[0]
        return code(answer) if answer.error_code else f"stable={answer.offset}"

    return until_not(Step(ask, word), *(f"stable={lower}" for lower in range(awaited)))


def read_committed() -> Step:
    """How many records of the row's partition a reader of committed ones sees."""

    def ask(scene: Scene) -> Ask:
        partition = FetchPartition(
            partition=scene.partition, fetch_offset=0, partition_max_bytes=FETCH_BYTES
        )
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            isolation_level=READ_COMMITTED,
            topics=[FetchTopic(topic=scene.topic, partitions=[partition])],
        )
        return Ask(request, here(scene))

    def word(response: Any, _: Scene) -> str:
        answer = response.responses[0].partitions[0]
        if answer.error_code:
            return code(answer)
        seen = Visibility(answer.aborted_transactions or (), check_crcs=True)
        records = memoryview(answer.records or b"")
        counts = [
            header.records_count
            for at, header in headers_in(records)
            if seen.shows(header, records[at : at + header.size_bytes])
        ]
        return f"read={sum(counts)}"

    return Step(ask, word)


def code_and_epoch(response: Any, _: Scene) -> str:
    """`code/producer_epoch`, without the epoch when it is -1."""
    epoch = response.producer_epoch
    return code(response) if epoch == -1 else f"{code(response)}/{epoch}"


def _plain_code(response: Any, _: Scene) -> str:
    return code(response)


def _end_request(commit: bool, epoch: int, at_least: int) -> Callable[[Scene], Ask]:
    def ask(scene: Scene) -> Ask:
        request = EndTxnRequest(
            transactional_id=own_id(scene),
            producer_id=scene.producer_id,
            producer_epoch=epoch,
            committed=commit,
        )
        return _to_coordinator(request, scene, at_least=at_least)

    return ask


def _to_coordinator(request: object, scene: Scene, *, at_least: int) -> Ask:
    return Ask(request, coordinator_of=(TRANSACTION, own_id(scene)), at_least=at_least)
