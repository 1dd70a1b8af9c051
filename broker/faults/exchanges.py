"""What fault rules and people see of a request: one Exchange each, the newest kept by client.

Kept only in brokers that were started with faults. Nothing here performs anything.
Tests: tests/system/testing/test_faults.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ...protocol.batch.header import HEADER_BYTES, MAGIC, MAGIC_AT, read_header
from ...protocol.connection import Request, plain
from ...protocol.errors import error_code
from ..session import CloseConnection
from .rules import ArmedRule
from .scope import Part, parts_of

CLIENTS_MAX = 64  # whose requests are remembered; the client heard first goes first
REQUESTS_MAX = 256  # of each of them
_SHOWN_MAX = 4  # partitions named in the text of one exchange


@dataclass(slots=True)
class Exchange:
    """One request and what became of it. Implements faults.Occasion.

    Attributes:
        number: counted from 1 over all connections.
        received_at_ms: by the broker's clock, ms since 1970.
        about: what it asks, in short, such as "orders-0 pid 7 epoch 0 sequence 3 (2 records)".
        outcome: changes as the exchange goes on; "open" at first.
        rules: what was armed when it came; only they apply to it.
    """

    number: int
    received_at_ms: int
    connection: int
    client_id: str
    api: str
    version: int
    about: str = ""
    outcome: str = "open"
    rules: Sequence[ArmedRule] = field(default=(), repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)
    path: ClassVar[str] = ""

    def covering(self) -> list[ArmedRule]:
        """The rules whose scope takes in the whole exchange."""
        return [armed for armed in self.rules if armed.rule.covers(self)]

    def covering_part(self, part: Part) -> list[ArmedRule]:
        """The rules whose scope takes in one partition of it."""
        occasion = _OnePart(self.api, self.client_id, self.connection, (part,))
        return [armed for armed in self.rules if armed.rule.covers(occasion)]

    def close(self, outcome: str) -> None:
        """Say what became of it and let go of its bytes; the first word counts."""
        if self.outcome == "open":
            self.outcome = outcome
        self.rules, self.parts = (), ()


@dataclass(frozen=True, slots=True)
class _OnePart:
    """One partition of a request. Implements faults.Occasion."""

    api: str
    client_id: str
    connection: int
    parts: tuple[Part, ...]
    path: ClassVar[str] = ""


class History:
    """The newest exchanges of each client."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._count = 0
        self._clients: dict[str, deque[Exchange]] = {}

    def begin(self, request: Request, connection: int, rules: Sequence[ArmedRule]) -> Exchange:
        """Note a request that has come."""
        self._count += 1
        api = request.route.api.name
        parts = parts_of(api, request.message)
        exchange = Exchange(
            number=self._count,
            received_at_ms=self._now_ms(),
            connection=connection,
            client_id=request.client_id or "",
            api=api,
            version=request.route.version,
            about=shown(parts),
            rules=rules,
            parts=parts if rules else (),
        )
        self._of(exchange.client_id).append(exchange)
        return exchange

    def exchanges(self, client_id: str | None = None) -> list[Exchange]:
        """In the order in which they came; of all clients that are remembered, or of one."""
        if client_id is not None:
            return list(self._clients.get(client_id, ()))
        everything = (each for exchanges in self._clients.values() for each in exchanges)
        return sorted(everything, key=lambda exchange: exchange.number)

    def clear(self) -> None:
        """Forget all."""
        self._clients.clear()

    def _of(self, client_id: str) -> deque[Exchange]:
        known = self._clients.get(client_id)
        if known is None:
            if len(self._clients) >= CLIENTS_MAX:
                del self._clients[next(iter(self._clients))]
            known = self._clients[client_id] = deque(maxlen=REQUESTS_MAX)
        return known


def answered(message: Any) -> str:
    """The outcome that a response message stands for, or a CloseConnection in its place."""
    if message is None:
        return "unanswered"
    if isinstance(message, CloseConnection):
        return "connection closed"
    message = plain(message)
    codes = {getattr(message, "error_code", 0)}
    for topic in getattr(message, "responses", None) or ():
        for partition in getattr(topic, "partition_responses", None) or ():
            codes.add(partition.error_code)
    names = sorted(error_code(code).name for code in codes if code)
    return f"answered {' '.join(names)}" if names else "answered"


def shown(parts: Sequence[Part]) -> str:
    """Partitions and their batches in short."""
    texts = [_shown_part(part) for part in parts[:_SHOWN_MAX]]
    if len(parts) > _SHOWN_MAX:
        texts.append(f"… {len(parts) - _SHOWN_MAX} more")
    return ", ".join(texts)


def _shown_part(part: Part) -> str:
    name = part.topic if part.partition is None else f"{part.topic}-{part.partition}"
    batch = part.batch
    if batch is None or len(batch) < HEADER_BYTES or batch[MAGIC_AT] != MAGIC:
        return name
    header = read_header(batch)
    count = header.records_count
    records = f"({count} record{'' if count == 1 else 's'})"
    if header.producer_id < 0:
        return f"{name} no pid {records}"
    return (
        f"{name} pid {header.producer_id} epoch {header.producer_epoch} "
        f"sequence {header.base_sequence} {records}"
    )
