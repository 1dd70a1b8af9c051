"""EDGE: the port for metrics: what it answers, and whom it does not let wait or hold anything."""

from __future__ import annotations

import asyncio
import socket

import pytest
from minibroker.broker.limits import METRICS_CONNECTIONS_MAX, METRICS_REQUEST_BYTES_MAX
from minibroker.broker.metrics import exchange
from minibroker.broker.metrics import server as server_module
from minibroker.broker.metrics.exposition import LINES_A_PIECE
from minibroker.broker.metrics.server import MetricsServer
from minibroker.broker.runtime import ListenError

from tests.support.in_loop.looking import until
from tests.support.in_loop.runtime import running_broker
from tests.support.metrics.asking import (
    Scraped,
    answer_of,
    ask,
    exchanged,
    families_of_open_metrics,
    telling,
)

UNSENT_BYTES = 1024
OPEN_METRICS = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"


async def test_health_and_readiness_are_answered() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        for path in ("/healthz", "/readyz", "/readyz?verbose"):
            answer = await ask(server, path)
            assert (answer.status, answer.body) == (200, "ok\n")
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_broker_whose_log_has_failed_is_not_ready_but_alive() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        runtime.broker.commit.refuse_all()
        answer = await ask(server, "/readyz")
        assert (answer.status, answer.body) == (503, "a flush has failed, and the broker stops\n")
        assert (await ask(server, "/healthz")).status == 200
        runtime.failed.set_result(OSError("no disk"))
        assert "no disk" in (await ask(server, "/readyz")).body


async def test_both_formats_say_the_same_to_who_accepts_them() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        plain = await ask(server, "/metrics")
        assert plain.headers["content-type"].startswith("text/plain; version=")
        answer = await ask(server, "/metrics", OPEN_METRICS)
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=")
        assert answer.body.endswith("\n# EOF\n")
        assert answer.body.count("# EOF\n") == 1
        names = {
            sample.name
            for family in families_of_open_metrics(answer.body)
            for sample in family.samples
        }
        assert names == {*Scraped(plain.body).kinds}


async def test_what_is_not_there_and_what_is_no_question_is_refused() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        assert (await ask(server, "/metricz")).status == 404
        assert "/metrics" in (await ask(server, "/")).body
        posted = await ask(server, "/metrics", "Content-Length: 0", method="POST")
        assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")
        assert answer_of(await exchanged(server, b"\x16\x03\x01 hello\r\n\r\n")).status == 400
        long = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * METRICS_REQUEST_BYTES_MAX
        assert answer_of(await exchanged(server, long)).status == 431


async def test_a_head_has_the_head_alone() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        for path in ("/healthz", "/metrics"):
            raw = await exchanged(server, f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert raw.startswith(b"HTTP/1.1 200")
            assert raw.endswith(b"\r\n\r\n")


async def test_an_old_client_gets_the_same_without_chunks() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        answer = answer_of(await exchanged(server, b"GET /metrics HTTP/1.0\r\n\r\n"))
        assert "transfer-encoding" not in answer.headers
        assert Scraped(answer.body).value("kafka_brokers") == 1


async def test_who_asks_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "METRICS_EXCHANGE_MS_MAX", 50)
    async with running_broker() as runtime, telling(runtime) as server:
        assert await exchanged(server, b"GET /hea") == b""


async def begin_to_scrape(server: MetricsServer) -> socket.socket:
    """Ask for a scrape through buffers of some kilobytes: soon its maker waits for room."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", server.port))
    await until(lambda: any(each.transport for each in server.exchanges))
    (asking,) = server.exchanges
    assert asking.transport is not None
    accepted = asking.transport.get_extra_info("socket")
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    await loop.sock_sendall(client, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: asking.waits)
    assert asking.transport.get_write_buffer_size() < 2 * UNSENT_BYTES + LINES_A_PIECE * 200
    return client


async def test_a_scrape_waits_for_its_reader_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "METRICS_UNSENT_BYTES_MAX", UNSENT_BYTES)
    async with running_broker() as runtime, telling(runtime) as server:
        client = await begin_to_scrape(server)
        assert not runtime.broker.work.is_idle
        assert (await ask(server, "/healthz")).status == 200  # it holds nobody else
        received = b""
        while data := await asyncio.get_running_loop().sock_recv(client, 65536):
            received += data
        client.close()
        assert Scraped(answer_of(received).body).value("kafka_brokers") == 1


async def test_who_reads_nothing_is_cut_and_the_scrape_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "METRICS_UNSENT_BYTES_MAX", UNSENT_BYTES)
    monkeypatch.setattr(exchange, "METRICS_EXCHANGE_MS_MAX", 1000)
    async with running_broker() as runtime, telling(runtime) as server:
        client = await begin_to_scrape(server)
        await until(lambda: runtime.broker.work.is_idle and not server.exchanges)
        client.close()


async def test_more_scrapes_than_may_be_are_refused_and_none_is_counted_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange, "METRICS_UNSENT_BYTES_MAX", UNSENT_BYTES)
    monkeypatch.setattr(server_module, "METRICS_SCRAPES_MAX", 1)
    async with running_broker() as runtime, telling(runtime) as server:
        client = await begin_to_scrape(server)
        assert (await ask(server, "/metrics")).status == 503
        client.close()
        await until(lambda: runtime.broker.work.is_idle)
        assert (await ask(server, "/metrics")).status == 200
        assert (await ask(server, "/metrics")).status == 200


async def test_of_too_many_the_oldest_gives_way() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        idle = [
            await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(METRICS_CONNECTIONS_MAX)
        ]
        assert (await ask(server, "/healthz")).status == 200
        reader, _ = idle[0]
        assert await reader.read(1) == b""
        for _, writer in idle:
            writer.close()


async def test_a_port_that_is_taken_is_told_in_words() -> None:
    async with running_broker() as runtime, telling(runtime) as server:
        taken = type(server)(runtime, "0.0.test")
        with pytest.raises(
            ListenError, match=rf"127\.0\.0\.1:{server.port} \(metrics\).*--metrics"
        ):
            await taken.start("127.0.0.1", server.port)


async def test_a_stop_waits_for_no_scrape() -> None:
    async with running_broker() as runtime:
        async with telling(runtime) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: not runtime.broker.work.is_idle)
        await until(lambda: runtime.broker.work.is_idle)
        writer.close()
