"""EDGE: questions over HTTP to a broker's port for metrics, and what scrapes say.

Written without an HTTP library, to see the bytes as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.request import Request, urlopen

from minibroker.broker.metrics.server import MetricsServer
from minibroker.broker.runtime import Runtime
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

WAIT_S = 20.0
families_of_open_metrics: Callable[[str], Iterable[Metric]] = open_metrics
"""The families of a text in the OpenMetrics format; raises ValueError for one that is none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; names of headers are in lower case, and a chunked body is whole."""

    status: int
    headers: Mapping[str, str]
    body: str


class Scraped:
    """What one scrape said, by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.kinds: dict[str, str] = {}
        self.labels: dict[str, set[frozenset[str]]] = {}
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self._values, f"told twice: {key}"
                self._values[key] = sample.value
                self.kinds[sample.name] = family.type
                self.labels.setdefault(sample.name, set()).add(frozenset(sample.labels))

    def value(self, name: str, **labels: str) -> float:
        """One value; KeyError if it is not told."""
        return self._values[name, frozenset(labels.items())]

    def get(self, name: str, **labels: str) -> float:
        """One value; 0 if it is not told."""
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def of(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """All values of a name, by labels."""
        return {labels: value for (each, labels), value in self._values.items() if each == name}


@asynccontextmanager
async def telling(runtime: Runtime) -> AsyncIterator[MetricsServer]:
    """The port for metrics of a broker in this loop."""
    server = MetricsServer(runtime, "0.0.test")
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        server.close()


async def ask(server: MetricsServer, path: str, *headers: str, method: str = "GET") -> Answer:
    """One question, and all of its answer."""
    lines = (f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", "")
    return answer_of(await exchanged(server, "\r\n".join(lines).encode()))


async def exchanged(server: MetricsServer, sent: bytes) -> bytes:
    """All bytes that come back for some bytes, up to the end of the connection."""
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
    return received


async def scraped(server: MetricsServer) -> Scraped:
    """A whole scrape."""
    answer = await ask(server, "/metrics")
    assert answer.status == 200, answer.body
    return Scraped(answer.body)


def scraped_at(url: str) -> Scraped:
    """A whole scrape of a broker in another process."""
    with urlopen(Request(url), timeout=WAIT_S) as answer:
        return Scraped(answer.read().decode())


def answer_of(received: bytes) -> Answer:
    """What bytes say."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Answer(int(status.split()[1]), headers, body.decode())


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        count = int(size, 16)
        whole += rest[:count]
        if not count:
            return whole
        body = rest[count + 2 :]
    raise AssertionError("the last chunk is missing")
