"""EDGE: requests of clients with quotas: measured, and who did too much is not heard for a while.

An answer is not held back: it says how long the connection will not be read (throttle_time_ms), as
KIP-219 has it, so that clients know before they ask again. Where there are no quotas, nothing of
this is on the way of a request.
Read next: ../security/quotas/meters.py.
Tests: tests/system/rights/test_quotas.py
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from ...protocol.connection import Encoded, Request, plain
from ...protocol.errors import ErrorCode
from ...protocol.messages.fetch import FetchRequest, FetchResponse
from ...protocol.messages.produce import ProduceRequest
from ..cluster.quotas import Client, Quotas
from ..security.quotas.meters import Meters
from ..security.quotas.mutations import Handled, Mutations, Partitions, mutations_in
from ..session import CloseConnection, Session
from ..waiting.promise import Failure

Handle = Callable[[Request, Session], Any]


class Dispatching(Protocol):
    """What is asked of dispatch."""

    @property
    def quotas(self) -> Quotas:
        """All there are."""

    @property
    def partitions(self) -> Partitions:
        """How many partitions topics have."""

    def handle(self, request: Request, session: Session) -> Any:
        """The outcome of a request."""

    def refuse(self, request: Request, code: ErrorCode, why: str) -> Any:
        """The answer that refuses one."""


def metering_of(dispatch: Dispatching) -> Metering:
    """What measures the requests of one broker."""
    meters = Meters(dispatch.quotas)
    mutations = Mutations(meters, dispatch.partitions, dispatch.handle, dispatch.refuse)
    return Metering(meters, dispatch.handle, mutations)


class Metering:
    """What all connections of a broker are measured with."""

    def __init__(self, meters: Meters, handle: Handle, mutations: Mutations) -> None:
        self._meters = meters
        self._handle = handle
        self._mutations = mutations

    def connected(self, address: str) -> float:
        """A connection more from an address: for how many ms it is too much."""
        return self._meters.connected(address, monotonic() * 1000)

    def handled(
        self, request: Request, session: Session, mute: Callable[[float], None]
    ) -> tuple[Any, Callable[[Any], Any]]:
        """What the handler's outcome is, and what makes of an answer what is told.

        Args:
            mute: called, before it is told, with the ms for which nothing is to be read.

        Raises as the handler.
        """
        began = monotonic()
        client = Client(session.principal.removeprefix("User:"), request.client_id or "")
        now_ms = began * 1000
        if mutations_in(request.message):
            handled = self._mutations.handled(request, session, client, now_ms)
        else:
            handled = Handled(self._handle(request, session), 0.0, _as_it_is)
        throttle_ms = handled.throttle_ms
        if isinstance(request.message, ProduceRequest):
            throttle_ms = self._meters.produced(client, request.size_bytes, now_ms)
        spent_ms = (monotonic() - began) * 1000
        throttle_ms = max(throttle_ms, self._meters.worked(client, spent_ms, now_ms))

        def told(message: Any) -> Any:
            if isinstance(message, Failure | CloseConnection):
                return message  # there is nothing to say it in
            wait_ms = throttle_ms
            if handled.told is not _as_it_is:
                message = handled.told(plain(message))
            if isinstance(request.message, FetchRequest):
                fetched_ms = self._meters.fetched(client, _size_of(message), monotonic() * 1000)
                if fetched_ms:
                    message = FetchResponse(responses=[])  # all of it is for another time
                wait_ms = max(wait_ms, fetched_ms)
            if wait_ms >= 1:
                mute(wait_ms)
                message = _telling(message, int(wait_ms))
            return message

        return handled.outcome, told


def _size_of(message: Any) -> int:
    """Bytes of an answer to a Fetch, about."""
    if isinstance(message, Encoded):
        return sum(map(len, message.body))
    return sum(len(each.records or b"") for topic in message.responses for each in topic.partitions)


def _telling(message: Any, throttle_ms: int) -> Any:
    """An answer that says how long its connection will not be read."""
    telling = plain(message)
    if not hasattr(telling, "throttle_time_ms"):
        return message
    telling.throttle_time_ms = throttle_ms
    return telling


def _as_it_is(message: Any) -> Any:
    return message
