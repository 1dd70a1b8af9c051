"""The fault proxy against a scripted upstream: what passes, what is lost, what never happens."""

from __future__ import annotations

import asyncio
import json
import signal
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from minibroker.broker.faults.rules import (
    Delay,
    Disconnect,
    Instant,
    LoseReply,
    Rule,
    TearReply,
)
from minibroker.protocol.codec.compiler import decoder
from minibroker.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from minibroker.protocol.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
)
from minibroker.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from minibroker.testing import proxy as proxy_module
from minibroker.testing.proxy import Proxy
from minibroker.testing.proxying.rules import Outcome, RelayedRequest

from tests.support.in_loop.looking import until
from tests.support.in_loop.scripted_upstream import (
    BOUND_S,
    Client,
    Upstream,
    answer_of,
    echo,
    request,
    request_of,
)

PRODUCE_ANSWER = b"\0\0\0\0" + b"\0\0\0\0"  # v3: no topics, throttle time 0


@asynccontextmanager
async def behind_proxy(*rules: Rule) -> AsyncIterator[tuple[Upstream, Proxy, Client]]:
    async with Upstream() as upstream, Proxy(upstream.address, rules) as proxy:
        client = await Client.connect(proxy.bootstrap_servers)
        try:
            yield upstream, proxy, client
        finally:
            await client.close()


def produce(
    correlation_id: int,
    topic: str,
    *,
    acks: int = -1,
    version: int = 3,
    transactional_id: str | None = None,
) -> bytes:
    data = PartitionProduceData(index=0, records=b"some records")
    message = ProduceRequest(
        transactional_id=transactional_id,
        acks=acks,
        timeout_ms=2**31 - 1,
        topic_data=[TopicProduceData(name=topic, partition_data=[data])],
    )
    return request_of(message, version, correlation_id)


async def test_bytes_pass_unchanged_both_ways() -> None:
    async with behind_proxy() as (upstream, proxy, client):
        sent = request(7, key=99, version=12, body=b"anything at all")
        client.send(sent[:3])
        client.send(sent[3:])
        assert await client.read_answer() == echo(sent[4:])
        assert upstream.received == [sent[4:]]
        assert [(e.api, e.version, e.client_id, e.outcome) for e in proxy.history] == [
            ("key 99", 12, "me", Outcome.ANSWERED)
        ]


async def test_a_megabyte_passes_whole() -> None:
    async with behind_proxy() as (_, _, client):
        sent = request(1, body=bytes(range(256)) * 4096)
        client.send(sent)
        assert await client.read_answer() == echo(sent[4:])


async def test_a_lost_answer_was_given_and_nothing_follows_it() -> None:
    async with behind_proxy(Rule(action=LoseReply(), nth=3)) as (upstream, proxy, client):
        client.send(*(request(n) for n in range(1, 6)))
        assert [(await client.read_answer())[:4] for _ in range(2)] == [b"\0\0\0\1", b"\0\0\0\2"]
        assert await client.read_to_end() == b""
        assert len(upstream.received) >= 3
        assert proxy.rules[0].fired == 1
        assert proxy.outcomes["Heartbeat", Outcome.LOST] == 1


async def test_every_third_answer_is_counted_over_all_connections() -> None:
    async with behind_proxy(Rule(action=LoseReply(), every=3)) as (upstream, proxy, _):
        lost = []
        for number in range(1, 10):
            client = await Client.connect(proxy.bootstrap_servers)
            client.send(request(number))
            try:
                await client.read_answer()
            except asyncio.IncompleteReadError:
                lost.append(number)
            await client.close()
        assert lost == [3, 6, 9]
        assert proxy.rules[0].fired == 3
        assert len(upstream.received) == 9


async def test_silence_swallows_everything_after_and_still_forwards_requests() -> None:
    rule = Rule(action=LoseReply(then="silence"), nth=2)
    async with behind_proxy(rule) as (upstream, proxy, client):
        client.send(*(request(n) for n in range(1, 5)))
        assert (await client.read_answer())[:4] == b"\0\0\0\1"
        await until(lambda: proxy.outcomes["Heartbeat", Outcome.SWALLOWED] == 2)
        assert len(upstream.received) == 4
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.read_answer()


async def test_a_cut_request_never_reaches_the_broker() -> None:
    async with behind_proxy(Rule(action=Disconnect(), nth=2)) as (upstream, proxy, client):
        client.send(request(1))
        await client.read_answer()
        client.send(request(2))
        assert await client.read_to_end() == b""
        assert len(upstream.received) == 1
        assert [e.outcome for e in proxy.history] == [Outcome.ANSWERED, Outcome.CUT]


@pytest.mark.parametrize(("bytes_sent", "arrive"), [(0, 0), (3, 3), (6, 6), (10_000, 19)])
async def test_a_torn_answer_never_arrives_whole(bytes_sent: int, arrive: int) -> None:
    rule = Rule(action=TearReply(bytes_sent), nth=1)
    async with behind_proxy(rule) as (_, _, client):
        sent = request(1)  # 12 bytes of request, 4 of correlation id, 4 of size: 20 in all
        client.send(sent, request(2))
        whole = len(echo(sent[4:])).to_bytes(4, "big") + echo(sent[4:])
        assert len(whole) == 20
        assert await client.read_to_end() == whole[:arrive]


@pytest.mark.parametrize("at", [Instant.REQUEST, Instant.REPLY])
async def test_a_delay_keeps_the_order(at: Instant) -> None:
    async with behind_proxy(Rule(action=Delay(60), at=at, nth=1)) as (_, proxy, client):
        began = asyncio.get_running_loop().time()
        client.send(request(1), request(2))
        ids = [(await client.read_answer())[:4] for _ in range(2)]
        assert ids == [b"\0\0\0\1", b"\0\0\0\2"]
        assert asyncio.get_running_loop().time() - began >= 0.06
        assert (proxy.rules[0].matched, proxy.rules[0].fired) == (2, 1)


async def test_rules_choose_by_topic() -> None:
    rule = Rule(action=Disconnect(), api="Produce", topic="wanted")
    async with behind_proxy(rule) as (upstream, proxy, client):
        upstream.answer = lambda frame: frame[4:8] + PRODUCE_ANSWER
        client.send(produce(1, "other"), request(2))
        await client.read_answer()
        await client.read_answer()
        client.send(produce(3, "wanted"))
        assert await client.read_to_end() == b""
        assert (proxy.rules[0].matched, proxy.rules[0].fired) == (1, 1)
        assert proxy.requests == {"Produce": 2, "Heartbeat": 1}


async def test_rules_choose_by_predicate_and_stop_after_their_times() -> None:
    def from_second(relayed: RelayedRequest) -> bool:
        return relayed.correlation_id >= 2

    rule = Rule(action=LoseReply(), where=from_second, times=1)
    async with behind_proxy(rule) as (_, proxy, client):
        client.send(request(1))
        await client.read_answer()
        client.send(request(2))
        assert await client.read_to_end() == b""
        again = await Client.connect(proxy.bootstrap_servers)
        again.send(request(3))
        assert (await again.read_answer())[:4] == b"\0\0\0\3"
        assert (proxy.rules[0].matched, proxy.rules[0].fired) == (2, 1)
        await again.close()


@pytest.mark.parametrize("transactional_id", [None, "", "a longer id"])
@pytest.mark.parametrize("version", [3, 8, 9, 11])
async def test_produce_without_acks_has_no_answer(
    version: int, transactional_id: str | None
) -> None:
    async with behind_proxy() as (upstream, proxy, client):
        upstream.answer = lambda frame: None if frame[:2] == b"\0\0" else echo(frame)
        silent = produce(1, "t", acks=0, version=version, transactional_id=transactional_id)
        client.send(silent, request(2))
        assert (await client.read_answer())[:4] == b"\0\0\0\2"
        assert [e.outcome for e in proxy.history] == [Outcome.UNANSWERED, Outcome.ANSWERED]


async def test_a_rule_that_cannot_read_a_request_closes_the_connection() -> None:
    rule = Rule(action=LoseReply(), api="Produce", topic="t")
    async with behind_proxy(rule) as (upstream, _, client):
        client.send(request(1, key=0, version=13, body=b"\0\0\0\0\0\0"))
        assert await client.read_to_end() == b""
        assert upstream.received == []


async def test_a_disarmed_rule_does_nothing() -> None:
    async with behind_proxy() as (_, proxy, client):
        armed = proxy.arm(Rule(action=LoseReply()))
        proxy.disarm(armed)
        client.send(request(1))
        await client.read_answer()
        assert armed.fired == 0


async def test_equal_rules_are_disarmed_apart() -> None:
    rule = Rule(action=LoseReply(), nth=2)
    async with behind_proxy(rule) as (_, proxy, client):
        second = proxy.arm(rule)
        proxy.disarm(second)
        client.send(request(1), request(2))
        await client.read_answer()
        assert await client.read_to_end() == b""
        assert (proxy.rules[0].fired, second.matched) == (1, 0)


async def test_a_rule_disarmed_before_the_answer_does_nothing() -> None:
    async with behind_proxy() as (upstream, proxy, client):
        armed = proxy.arm(Rule(action=LoseReply()))

        def disarm_and_echo(frame: bytes) -> bytes:
            proxy.disarm(armed)
            return echo(frame)

        upstream.answer = disarm_and_echo
        client.send(request(1))
        await client.read_answer()
        assert armed.fired == 0


async def test_clients_are_told_the_proxys_address_and_readable_versions() -> None:
    broker = MetadataResponseBroker(node_id=5, host="kafka.example", port=9092)
    metadata = MetadataResponse(brokers=[broker], topics=[])
    keys = [ApiVersion(api_key=key, min_version=0, max_version=99) for key in (0, 3, 12)]
    api_versions = ApiVersionsResponse(error_code=0, api_keys=keys)
    reads_produce = Rule(action=Disconnect(), api="Produce", topic="never")
    async with behind_proxy(reads_produce) as (upstream, proxy, client):
        upstream.answer = lambda frame: (
            answer_of(metadata, 3, 1, 1) if frame[1] == 3 else answer_of(api_versions, 18, 0, 2)
        )
        client.send(request_of(MetadataRequest(topics=None), 1, 1))
        seen = decoder(MetadataResponse, 1)(await client.read_answer(), 4)[0]
        assert [(each.host, each.port) for each in seen.brokers] == [("127.0.0.1", proxy.port)]
        client.send(request_of(ApiVersionsRequest(), 0, 2))
        offers = decoder(ApiVersionsResponse, 0)(await client.read_answer(), 4)[0].api_keys
        assert {each.api_key: each.max_version for each in offers} == {0: 12, 3: 13, 12: 99}


async def test_requests_without_answers_stop_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "IN_FLIGHT_MAX", 3)
    async with behind_proxy() as (upstream, _, client):
        upstream.answer = lambda frame: None
        client.send(*(request(n) for n in range(10)))
        await until(lambda: len(upstream.received) == 3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await until(lambda: len(upstream.received) > 3)


@pytest.mark.parametrize(
    "sent", [b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\3abc", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_bytes_that_are_no_request_close_the_connection(sent: bytes) -> None:
    async with behind_proxy() as (upstream, _, client):
        client.send(sent)
        assert await client.read_to_end() == b""
        assert upstream.received == []


async def test_an_answer_out_of_order_is_never_delivered() -> None:
    async with behind_proxy() as (upstream, _, client):
        upstream.answer = lambda frame: b"\0\0\0\x63" + frame
        client.send(request(1))
        assert await client.read_to_end() == b""


async def test_the_broker_may_be_away_and_come_back() -> None:
    async with Upstream() as gone:
        port = gone.port
    async with Proxy(f"127.0.0.1:{port}") as proxy:
        client = await Client.connect(proxy.bootstrap_servers)
        assert await client.read_to_end() == b""
        await client.close()
        async with Upstream(port=port):
            client = await Client.connect(proxy.bootstrap_servers)
            client.send(request(1))
            assert (await client.read_answer())[:4] == b"\0\0\0\1"
            await client.close()


async def test_a_client_that_does_not_read_slows_the_broker_down() -> None:
    answer_bytes = 4 * 1024 * 1024
    async with behind_proxy() as (upstream, _, client):
        upstream.answer = lambda frame: frame[4:8] + bytes(answer_bytes)
        client.send(*(request(n) for n in range(16)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await until(lambda: upstream.answers_sent >= 8)  # of 64 MB; sockets hold some
        sizes = [len(await client.read_answer()) for _ in range(16)]
        assert sizes == [answer_bytes + 4] * 16


async def test_stopping_leaves_no_task_and_closes_connections() -> None:
    before = asyncio.all_tasks()
    async with Upstream(lambda frame: None) as upstream:
        async with Proxy(upstream.address) as proxy:
            client = await Client.connect(proxy.bootstrap_servers)
            client.send(request(1))
            await until(lambda: len(upstream.received) == 1)
        assert await client.read_to_end() == b""
        await client.close()
        await until(lambda: asyncio.all_tasks() == before)


async def test_what_a_predicate_raises_ends_its_connection_and_is_seen_at_the_stop() -> None:
    def broken(relayed: RelayedRequest) -> bool:
        if relayed.correlation_id == 1:
            raise KeyError(relayed.api)
        return False

    async with Upstream() as upstream:
        proxy = Proxy(upstream.address, [Rule(action=LoseReply(), where=broken)])
        await proxy.start()
        client, other = [await Client.connect(proxy.bootstrap_servers) for _ in range(2)]
        client.send(request(1))
        assert await client.read_to_end() == b""
        other.send(request(2))
        assert (await other.read_answer())[:4] == b"\0\0\0\2"
        for each in (client, other):
            await each.close()
        with pytest.raises(ExceptionGroup) as failed:
            await proxy.stop()
        assert [str(each) for each in failed.value.exceptions] == ["'Heartbeat'"]


@pytest.mark.parametrize("rules", [(), (Rule(action=LoseReply(), api="Produce", topic="t"),)])
async def test_a_produce_cut_anywhere_ends_its_own_connection_at_most(
    rules: tuple[Rule, ...],
) -> None:
    whole = produce(1, "t", version=9, transactional_id="x" * 200)[4:]
    async with behind_proxy(*rules) as (upstream, proxy, client):
        upstream.answer = lambda frame: None if frame[:2] == b"\0\0" else echo(frame)
        proxy.on_outcome = lambda relayed: None  # so that requests are described
        for length in range(len(whole)):
            cut = await Client.connect(proxy.bootstrap_servers)
            cut.send(struct.pack(">i", length) + whole[:length])
            await cut.close()
        await until(lambda: all(each.outcome is not Outcome.OPEN for each in proxy.history))
        client.send(request(2))
        assert (await client.read_answer())[:4] == b"\0\0\0\2"


async def test_a_request_on_which_the_broker_closes_is_told_as_closed() -> None:
    async with behind_proxy() as (upstream, proxy, client):
        told: list[tuple[str, Outcome]] = []
        proxy.on_outcome = lambda relayed: told.append((relayed.api, relayed.outcome))
        upstream.answer = lambda frame: None
        client.send(request(1), request(2))
        await until(lambda: len(upstream.received) == 2)
        upstream.hang_up()
        assert await client.read_to_end() == b""
        await until(lambda: len(told) == 2)
        assert told == [("Heartbeat", Outcome.CLOSED)] * 2
        assert proxy.outcomes == {("Heartbeat", Outcome.CLOSED): 2}


async def test_a_taken_port_is_an_oserror() -> None:
    async with Upstream() as upstream, Proxy(upstream.address) as proxy:
        with pytest.raises(OSError, match="address already in use"):
            await Proxy(upstream.address, port=proxy.port).start()


async def test_runs_as_a_process_and_prints_its_counts() -> None:
    async with Upstream() as upstream:
        upstream.answer = lambda frame: frame[4:8] + PRODUCE_ANSWER
        command = (sys.executable, "-m", "minibroker.testing.proxy", "--upstream", upstream.address)
        process = await asyncio.create_subprocess_exec(
            *command, "--lose-every", "2", stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(BOUND_S):
            ready = (await process.stdout.readline()).decode()
        client = await Client.connect(ready.strip().rpartition("//")[2])
        client.send(produce(1, "t"), produce(2, "t"))
        assert (await client.read_answer())[:4] == b"\0\0\0\1"
        assert await client.read_to_end() == b""
        await client.close()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(BOUND_S):
            printed, _ = await process.communicate()
        counts = json.loads(printed)
        assert counts["rules"] == [{"matched": 2, "fired": 1}]
        assert counts["outcomes"] == {"Produce answered": 1, "Produce lost": 1}
        assert process.returncode == 0
