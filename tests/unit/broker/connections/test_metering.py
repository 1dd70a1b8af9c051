"""What is measured goes on: an answer that could not be made, or ends the connection, is told."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.broker.apis.served import SERVED
from minibroker.broker.cluster.quotas import CONSUMER_BYTE_RATE, USER, Quotas
from minibroker.broker.connections.metering import metering_of
from minibroker.broker.session import CloseConnection, Session
from minibroker.broker.waiting.promise import Failure
from minibroker.protocol.connection import Request, Routes
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.fetch import FetchRequest

BOB = Session("127.0.0.1:1", "PLAINTEXT", "127.0.0.1", 9092, "User:bob")


class Dispatching:
    """A broker in which bob has a quota. Implements metering.Dispatching."""

    partitions: Any = None

    def __init__(self) -> None:
        self.quotas = Quotas()
        self.quotas.put(((USER, "bob"),), {CONSUMER_BYTE_RATE: 1.0})

    def handle(self, request: Request, session: Session) -> Any:
        return None

    def refuse(self, request: Request, code: ErrorCode, why: str) -> Any:
        raise AssertionError


@pytest.mark.parametrize("outcome", [Failure(RuntimeError("no")), CloseConnection("no")])
def test_what_is_no_answer_is_passed_on(outcome: object) -> None:
    message = FetchRequest(max_wait_ms=0, min_bytes=0, topics=[])
    request = Request(Routes(SERVED).find(1, 11), 1, "c", message)
    muted: list[float] = []
    _, told = metering_of(Dispatching()).handled(request, BOB, muted.append)
    assert told(outcome) is outcome
    assert muted == []
