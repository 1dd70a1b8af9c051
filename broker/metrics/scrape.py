"""One scrape: look at everything in steps, then write family by family.

It is long work of the broker (waiting/long_work.py) that gives its turn back after each piece. So
numbers of one scrape may be some turns apart; those of one partition are not, and sums over all
partitions are as of one moment (partitions.py).
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Final, NamedTuple

from prometheus_client.core import Metric

from ...protocol.connection import Route
from ..broker import Broker
from ..waiting.long_work import Aside, Steps
from ..waiting.promise import Promise
from . import groups, partitions, requests, standing, state
from .exposition import Exposition
from .family import Family, Sample, Series, counter, gauge
from .groups import GroupsPass
from .partitions import Pass
from .recent import Recent
from .requests import RequestTimes
from .state import Edge, TransactionsPass

LEFT_OUT = gauge(
    "minibroker_metrics_left_out",
    "What this scrape does not tell one by one, as there is too much of it",
    "what",
    alert="minibroker_metrics_left_out > 0",
    because="some partitions or groups are missing here; sums count them all the same",
)
SCRAPES = counter("minibroker_scrapes_total", "Scrapes begun, this one among them")
FAMILIES: Final[tuple[Family, ...]] = (
    *standing.FAMILIES,
    *partitions.FAMILIES,
    *groups.FAMILIES,
    *requests.FAMILIES,
    *state.FAMILIES,
    LEFT_OUT,
    SCRAPES,
)
"""All there are, but for process_*, which are prometheus_client's own."""


class Scrapes:
    """What scrapes remember of each other.

    Args:
        version: of this package.
        address: HOST:PORT that clients of the first listener are told.

    Attributes:
        request_times: what is taken in of the routes, between scrapes, too.
    """

    def __init__(self, broker: Broker, version: str, address: str) -> None:
        self._broker = broker
        self._version = version
        self._address = address
        self.request_times = RequestTimes()
        self._flushes = Recent()
        self._count = 0

    def scrape(
        self,
        exposition: Exposition,
        *,
        routes: Iterable[Route],
        edge: Edge,
        process: Callable[[], list[Metric]],
        now_s: float,
        write: Callable[[bytes], Promise | None],
        turn: Callable[[], Promise],
    ) -> Steps:
        """Write all families.

        Args:
            process: what the operating system tells of this process; called off the loop.
            now_s: by a clock that only goes on.
            write: takes a piece; returns what to wait for before the next, if anything.
            turn: what is kept when it is this scrape's turn again.
        """
        self._count += 1
        broker = self._broker
        found, of_groups, ids = Pass(broker), GroupsPass(broker), TransactionsPass()
        for look in (found.look(), of_groups.look(), ids.look(broker)):
            yield from _paced(look, turn)
        looks = _Looks(found, of_groups, ids)
        for series in self._all(looks, routes, edge, now_s):
            yield from _written(exposition.pieces(series), write, turn)
        metrics = yield Aside(process)
        for metric in metrics:
            yield from _written([exposition.whole(metric)], write, turn)
        write(exposition.end())
        return None

    def _all(
        self, looks: _Looks, routes: Iterable[Route], edge: Edge, now_s: float
    ) -> Iterator[Series]:
        broker = self._broker
        found, of_groups, ids = looks
        yield from standing.standing(broker, self._address)
        yield from found.series()
        yield from of_groups.series()
        yield from self.request_times.series(routes, broker.figures, now_s)
        recovered = found.recovered_count, found.recovered_bytes
        yield from state.started(broker, self._version, *recovered)
        yield from state.disk(broker)
        yield from state.flushes(broker, self._flushes, now_s)
        yield from state.edge(edge)
        yield from state.memory(broker)
        yield from ids.series(broker)
        left_out = {
            "partitions": found.partition_count - len(found.columns),
            "groups": of_groups.left_out_groups,
            "group_offsets": of_groups.left_out_offsets,
        }
        yield LEFT_OUT, [Sample((what,), count) for what, count in left_out.items()]
        yield SCRAPES, [Sample((), self._count)]


class _Looks(NamedTuple):
    partitions: Pass
    groups: GroupsPass
    ids: TransactionsPass


def _paced(
    look: Generator[None, None, None], turn: Callable[[], Promise]
) -> Generator[Promise, Any, None]:
    for _ in look:
        yield turn()


def _written(
    pieces: Iterable[bytes],
    write: Callable[[bytes], Promise | None],
    turn: Callable[[], Promise],
) -> Generator[Promise, Any, None]:
    for piece in pieces:
        room = write(piece)
        if room is not None:
            yield room
        yield turn()
