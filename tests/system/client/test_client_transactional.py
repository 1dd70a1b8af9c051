"""Our transactional Producer against our broker, by KIP-890 and as before it; and refused by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from minibroker.client import (
    Abortable,
    Admin,
    ClientError,
    ErrorCode,
    Fatal,
    Fenced,
    Retriable,
    TopicPartition,
)
from minibroker.testing import TestBroker

from tests.support.in_loop.looking import pause
from tests.support.in_loop.runtime import running_broker
from tests.support.transactions.producing import SCENARIOS, WAIT_S, Scenario, committed, producer

LEVEL = "transaction.version"
PLACE = TopicPartition("t", 0)
NOT_YET = (
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.CONCURRENT_TRANSACTIONS,
)
ONLY_ABORTS = (
    ErrorCode.TRANSACTION_ABORTABLE,
    ErrorCode.INVALID_TXN_STATE,
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.INVALID_PRODUCER_ID_MAPPING,
    ErrorCode.INVALID_PRODUCER_EPOCH,
)
LEVELS = ["2", "1", "0"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
async def test_against_our_broker(scenario: Scenario, level: str, tmp_path: Path) -> None:
    async with running_broker(tmp_path, {LEVEL: level}) as runtime:
        await scenario(f"127.0.0.1:{runtime.bound[0].port}")


@pytest.fixture(params=LEVELS)
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[TestBroker]:
    async with TestBroker(settings={LEVEL: int(request.param)}) as each:
        yield each


async def test_what_passes_is_asked_again(broker: TestBroker) -> None:
    for code in NOT_YET:
        for api in ("InitProducerId", "EndTxn"):
            broker.faults.error(api, code, times=2)
        async with producer(broker.bootstrap_servers) as writer, writer.transaction() as tx:
            await tx.send(PLACE.topic, b"%d" % code)
    broker.faults.assert_all_fired()
    assert await committed(broker.bootstrap_servers, PLACE) == [b"%d" % code for code in NOT_YET]


async def test_after_what_only_aborts_the_next_one_works(broker: TestBroker) -> None:
    for code in ONLY_ABORTS:
        async with producer(broker.bootstrap_servers) as writer:
            tx = writer.transaction()
            await tx.begin()
            await tx.send_and_wait(PLACE.topic, b"lost")
            fault = broker.faults.error("Produce", code, times=1)
            await tx.send(PLACE.topic, b"refused")
            with pytest.raises(Abortable, match=r"do all of it again in a new transaction\(\)"):
                await tx.commit()
            assert fault.fired == 1
            async with writer.transaction() as tx:
                await tx.send_and_wait(PLACE.topic, b"%d" % code)
                await tx.send(PLACE.topic, b"+")
    expected = [value for code in ONLY_ABORTS for value in (b"%d" % code, b"+")]
    assert await committed(broker.bootstrap_servers, PLACE) == expected


async def test_a_refused_commit_aborts(broker: TestBroker) -> None:
    async with producer(broker.bootstrap_servers) as writer:
        for code in (ErrorCode.INVALID_TXN_STATE, ErrorCode.TRANSACTION_ABORTABLE):
            broker.faults.error("EndTxn", code, times=1)
            tx = writer.transaction()
            await tx.begin()
            await tx.send(PLACE.topic, b"lost")
            with pytest.raises(Abortable, match=code.name):
                await tx.commit()
            async with writer.transaction() as tx:
                await tx.send(PLACE.topic, b"v")
    assert await committed(broker.bootstrap_servers, PLACE) == [b"v", b"v"]


async def test_a_broken_transaction_takes_nothing_more(broker: TestBroker) -> None:
    broker.faults.error("Produce", ErrorCode.TRANSACTION_ABORTABLE, times=1)
    async with producer(broker.bootstrap_servers) as writer:
        tx = writer.transaction()
        await tx.begin()
        with pytest.raises(ClientError):
            await tx.send_and_wait(PLACE.topic, b"1")
        with pytest.raises(Abortable, match="TRANSACTION_ABORTABLE"):
            await tx.send(PLACE.topic, b"2")
        with pytest.raises(RuntimeError, match="one at a time"):
            await writer.transaction().begin()
        await tx.abort()
        with pytest.raises(RuntimeError, match="no transaction is open"):
            await writer.send(PLACE.topic, b"3")
        with pytest.raises(RuntimeError, match="has ended"):
            await tx.send(PLACE.topic, b"4")
        with pytest.raises(RuntimeError, match="has ended"):
            await tx.commit()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ErrorCode.INVALID_PRODUCER_EPOCH, Fenced),
        (ErrorCode.PRODUCER_FENCED, Fenced),
        (ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Fatal),
    ],
)
async def test_after_what_is_final_nothing_works(code: ErrorCode, kind: type[ClientError]) -> None:
    async with TestBroker() as broker, producer(broker.bootstrap_servers) as writer:
        broker.faults.error("EndTxn", code, times=1)
        tx = writer.transaction()
        await tx.begin()
        await tx.send(PLACE.topic, b"v")
        with pytest.raises(kind, match=code.name):
            await tx.commit()
        with pytest.raises(kind, match=code.name):
            await writer.transaction().begin()
        with pytest.raises(kind, match=code.name):
            await writer.send(PLACE.topic, b"v")


async def test_a_fence_after_a_lost_answer_says_that_nobody_knows() -> None:
    async with TestBroker() as broker, producer(broker.bootstrap_servers) as writer:
        broker.faults.lose_reply("EndTxn")
        broker.faults.error("EndTxn", ErrorCode.PRODUCER_FENCED, nth=2)
        tx = writer.transaction()
        await tx.begin()
        await tx.send(PLACE.topic, b"v")
        with pytest.raises(Fenced, match="whether its transaction was committed is not known") as e:
            await tx.commit()
        assert e.value.possibly_persisted


async def test_outside_of_a_transaction_nothing_is_sent() -> None:
    async with TestBroker() as broker, producer(broker.bootstrap_servers) as writer:
        with pytest.raises(RuntimeError, match="no transaction is open"):
            await writer.send(PLACE.topic, b"v")
        with pytest.raises(RuntimeError, match="no transaction is open"):
            await writer.send_many(PLACE.topic, [b"v"])
        tx = writer.transaction()
        with pytest.raises(RuntimeError, match="has not begun"):
            await tx.commit()
        async with tx:
            with pytest.raises(TypeError, match="consumer is int: expected a Consumer"):
                await tx.commit_offsets(7)  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="begun once"):
            await tx.begin()


async def test_a_timed_out_transaction_is_told_and_the_next_one_works() -> None:
    often = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 20}
    async with (
        TestBroker(settings=often) as broker,
        producer(broker.bootstrap_servers, transaction_timeout_ms=50) as writer,
    ):
        tx = writer.transaction()
        await tx.begin()
        await tx.send_and_wait(PLACE.topic, b"slow")
        async with Admin(broker.bootstrap_servers) as admin, asyncio.timeout(WAIT_S):
            while (listed := (await admin.list_transactions())[0]).state != "CompleteAbort":
                assert listed.state in ("Ongoing", "PrepareAbort")
                await pause()
        with pytest.raises(Abortable, match="transaction_timeout_ms"):
            await tx.commit()
        async with writer.transaction() as tx:
            await tx.send(PLACE.topic, b"quick")
        assert await committed(broker.bootstrap_servers, PLACE) == [b"quick"]


async def test_stop_tells_who_waits_for_a_commit() -> None:
    async with TestBroker() as broker, producer(broker.bootstrap_servers) as writer:
        held = broker.faults.hold("Produce", at="request")
        tx = writer.transaction()
        await tx.begin()
        await tx.send(PLACE.topic, b"v")
        commit = asyncio.create_task(tx.commit())
        await held.reached()
        stop = asyncio.create_task(writer.stop())
        await asyncio.sleep(0)
        held.release()
        with pytest.raises(Abortable, match="the producer was stopped"):
            await asyncio.wait_for(commit, WAIT_S)
        await asyncio.wait_for(stop, WAIT_S)
        assert await committed(broker.bootstrap_servers, PLACE) == []


async def test_an_error_outside_of_the_block_aborts_what_is_open() -> None:
    async with TestBroker() as broker:
        with pytest.raises(KeyError):
            await _fail_with_one_open(broker.bootstrap_servers)
        async with Admin(broker.bootstrap_servers) as admin:
            (listed,) = await admin.list_transactions()
            assert listed.state in ("PrepareAbort", "CompleteAbort")


async def _fail_with_one_open(bootstrap: str) -> None:
    async with producer(bootstrap) as writer:
        await writer.transaction().begin()
        await writer.send_and_wait(PLACE.topic, b"v")
        raise KeyError


async def test_a_start_that_finds_no_coordinator_ends_in_time_and_may_be_tried_again() -> None:
    async with TestBroker() as broker:
        fault = broker.faults.error("FindCoordinator", ErrorCode.COORDINATOR_NOT_AVAILABLE)
        writer = producer(broker.bootstrap_servers, max_block_ms=200)
        with pytest.raises(Retriable, match=r"no producer id within 200 ms.*COORDINATOR_NOT_AVAIL"):
            await writer.start()
        assert fault.fired > 1
        broker.faults.clear()
        async with writer, writer.transaction() as tx:
            await tx.send(PLACE.topic, b"v")
        assert await committed(broker.bootstrap_servers, PLACE) == [b"v"]


@pytest.mark.parametrize("then", ["close", "silence"])
async def test_a_commit_whose_answer_is_lost_is_asked_for_again(
    then: Literal["close", "silence"], broker: TestBroker
) -> None:
    async with producer(broker.bootstrap_servers, request_timeout_ms=300) as writer:
        async with writer.transaction() as tx:  # so that the coordinator is known
            await tx.send(PLACE.topic, b"before")
        fault = broker.faults.lose_reply("EndTxn", then=then)
        async with writer.transaction() as tx:
            await tx.send(PLACE.topic, b"lost answer")
        async with writer.transaction() as tx:
            await tx.send(PLACE.topic, b"behind")
    assert fault.fired == 1
    values = [b"before", b"lost answer", b"behind"]
    assert await committed(broker.bootstrap_servers, PLACE) == values


async def test_stop_gives_up_a_commit_that_nobody_answers() -> None:
    async with TestBroker() as broker, producer(broker.bootstrap_servers) as writer:
        async with writer.transaction() as tx:
            await tx.send(PLACE.topic, b"v")
        held = broker.faults.hold("EndTxn", at="request")
        tx = writer.transaction()
        await tx.begin()
        await tx.send(PLACE.topic, b"w")
        commit = asyncio.create_task(tx.commit())
        await held.reached()
        await asyncio.wait_for(writer.stop(100), WAIT_S)
        with pytest.raises(ClientError, match="stopped"):
            await asyncio.wait_for(commit, WAIT_S)
        held.release()
