"""EDGE: the port for metrics: /metrics, /healthz and /readyz, on the broker's own loop.

Plain HTTP without a login: it tells names of topics and groups, no record and no secret, and takes
no orders. Who listens beyond loopback is warned by the command line.
    /healthz   200: the process lives and its loop turns, as whoever answers proves
    /readyz    200: the data is open and the log has not failed; else 503, and why
Read next: exchange.py (HTTP), scrape.py (what is told).
Tests: tests/system/metrics/test_http.py
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector

from ..limits import METRICS_CONNECTIONS_MAX, METRICS_SCRAPES_MAX
from ..runtime import EVERYWHERE, ListenError, Runtime
from ..waiting.long_work import Steps
from ..waiting.promise import Promise
from .exchange import Asked, Exchange
from .exposition import Exposition
from .loop_watch import LoopWatch
from .pacer import Pacer
from .scrape import Scrapes
from .state import Edge

_PAGES: Final = "/metrics  for Prometheus\n/healthz  whether it lives\n/readyz   whether it serves"


class MetricsServer:
    """The port of one running broker.

    Args:
        runtime: started.
        version: of this package.

    Attributes:
        exchanges: that are under way, the oldest first.
        port: the real one, once started.
    """

    def __init__(self, runtime: Runtime, version: str) -> None:
        self._runtime = runtime
        self._version = version
        self.exchanges: dict[Exchange, None] = {}
        self._pacer = Pacer()
        self._process = ProcessCollector(registry=CollectorRegistry())
        self._is_stopping = False
        self._scraping = 0  # how many are under way
        first = runtime.bound[0]
        listener = first.listener
        host = listener.advertised_host or listener.host or "localhost"
        address = f"{host}:{listener.advertised_port or first.port}"
        self._scrapes = Scrapes(runtime.broker, version, address)
        runtime.server.measures = True
        self._watch = LoopWatch(self._take_in)
        runtime.broker.figures.loop_lag = self._watch.lag

    @property
    def url(self) -> str:
        """Where Prometheus is to scrape."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/metrics"

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Args:
            host: "" for everywhere.
            port: 0 for any free one.
        Raises:
            ListenError: it cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            self._host = host or EVERYWHERE
            self._server = await loop.create_server(self._accept, self._host, port)
        except OSError as error:
            self._watch.stop()
            raise ListenError(
                f"cannot listen at {host or '*'}:{port} (metrics): {error.strerror or error}; "
                "stop what uses the port, or choose another with --metrics"
            ) from error
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """End at once: whoever reads a scrape loses it."""
        self._is_stopping = True
        self._watch.stop()
        self._server.close()
        for exchange in tuple(self.exchanges):
            exchange.abort()

    def _accept(self) -> Exchange:
        exchange = Exchange(self._answer, self._ended)
        if len(self.exchanges) >= METRICS_CONNECTIONS_MAX:
            oldest = next(iter(self.exchanges))
            self._ended(oldest)  # at once: its end is told in a later turn
            oldest.abort()
        self.exchanges[exchange] = None
        return exchange

    def _take_in(self) -> None:
        self._scrapes.request_times.take_in(self._runtime.server.routes.used())

    def _ended(self, exchange: Exchange) -> None:
        self.exchanges.pop(exchange, None)

    def _answer(self, exchange: Exchange, asked: Asked) -> None:
        match asked.path:
            case "/metrics":
                self._begin_scrape(exchange, asked.accept)
            case "/healthz":
                exchange.say("ok")
            case "/readyz":
                why_not = self._why_not_ready()
                exchange.say(why_not or "ok", 503 if why_not else 200)
            case "/":
                exchange.say(_PAGES)
            case _:
                exchange.say("not found; there are:\n" + _PAGES, 404)

    def _why_not_ready(self) -> str:
        failed = self._runtime.failed
        if failed.done():
            return f"the log has failed, and the broker stops: {failed.result()}"
        if self._runtime.broker.commit.has_failed:
            return "a flush has failed, and the broker stops"
        return "the broker stops" if self._is_stopping else ""

    def _begin_scrape(self, exchange: Exchange, accept: str) -> None:
        if self._scraping >= METRICS_SCRAPES_MAX:
            exchange.say(f"{self._scraping} scrapes are under way; ask again", 503)
            return
        exposition = Exposition(accept)
        exchange.begin(exposition.content_type)
        if exchange.is_head:
            exchange.end()
        else:
            self._runtime.broker.work.begin_ahead(self._counted(exchange, exposition))

    def _counted(self, exchange: Exchange, exposition: Exposition) -> Steps:
        self._scraping += 1
        try:
            yield self._pacer.turn()  # the turn of who is being served is not ours to use
            yield from self._scrape(exchange, exposition)
        finally:
            self._scraping -= 1

    def _scrape(self, exchange: Exchange, exposition: Exposition) -> Steps:
        connections = yield from self._connections()
        server = self._runtime.server
        edge = Edge(
            self._watch.lag,
            self._watch.idle_share,
            connections,
            dict(server.accepted),
            dict(server.refused),
            len(server.strangers),
        )
        scrape = self._scrapes.scrape(
            exposition,
            routes=server.routes.used(),
            edge=edge,
            process=self._of_process,
            now_s=monotonic(),
            write=partial(_write, exchange),
            turn=self._pacer.turn,
        )
        with suppress(_Gone):
            try:
                yield from scrape
            except BaseException:  # half a scrape must not look like a whole one
                exchange.abort()
                raise
            exchange.end()

    def _connections(self) -> Steps:
        """How many there are, by listener."""
        count: Counter[str] = Counter({each.listener.name: 0 for each in self._runtime.bound})
        for number, each in enumerate(tuple(self._runtime.server.connections), 1):
            count[each.listener_name] += 1
            if not number % 1000:
                yield self._pacer.turn()
        return dict(count)

    def _of_process(self) -> list[Metric]:
        return list(self._process.collect())


class _Gone(Exception):
    """Nobody reads this scrape any more."""


def _write(exchange: Exchange, piece: bytes) -> Promise | None:
    if exchange.is_over:
        raise _Gone
    exchange.write(piece)
    return exchange.room()
