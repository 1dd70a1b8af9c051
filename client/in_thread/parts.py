"""EDGE: the parts of the blocking face that are more than a call passed on (blocking.py).

Tests: tests/system/client/test_client_blocking.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ...protocol.errors import ErrorCode
from ..errors import DeliveryTimeout
from ..group.subscription import ConsumerRebalanceListener
from ..partitions import RecordMetadata, TopicPartition
from ..produce.receipts import Delivery as AsyncDelivery
from .loop_thread import LoopThread


class Delivery:
    """A record on its way; `result` waits for its receipt, as often as you like."""

    __slots__ = ("_delivery", "_loop")

    def __init__(self, loop: LoopThread, delivery: AsyncDelivery) -> None:
        self._loop = loop
        self._delivery = delivery

    @property
    def done(self) -> bool:
        """Whether `result` would return or raise at once."""
        return self._delivery.done

    def result(self, timeout_ms: float | None = None) -> RecordMetadata:
        """The receipt, once the record is stored.

        Args:
            timeout_ms: of this wait, after which the record is still on its way. Without it the
                producer's delivery_timeout_ms is the bound.

        Raises:
            DeliveryTimeout: no outcome within timeout_ms, or none at all.
            Fatal, Fenced, Retriable: the record failed.
        """

        async def receipt() -> RecordMetadata:
            try:
                async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                    return await self._delivery
            except TimeoutError:
                raise DeliveryTimeout(
                    f"no outcome within {timeout_ms:g} ms; the record is still on its way",
                    code=ErrorCode.REQUEST_TIMED_OUT,
                    possibly_persisted=True,
                ) from None

        return self._loop.run(receipt)


class InThreads(ConsumerRebalanceListener):
    """A listener whose methods may block, and may call the consumer: each runs in a thread."""

    def __init__(self, listener: ConsumerRebalanceListener) -> None:
        self._listener = listener

    async def on_partitions_revoked(self, revoked: frozenset[TopicPartition]) -> None:
        """Pass it on."""
        await _in_thread(self._listener.on_partitions_revoked, revoked)

    async def on_partitions_assigned(self, assigned: frozenset[TopicPartition]) -> None:
        """Pass it on."""
        await _in_thread(self._listener.on_partitions_assigned, assigned)

    async def on_partitions_lost(self, lost: frozenset[TopicPartition]) -> None:
        """Pass it on."""
        await _in_thread(self._listener.on_partitions_lost, lost)


async def _in_thread(
    method: Callable[[frozenset[TopicPartition]], object], places: frozenset[TopicPartition]
) -> None:
    if await asyncio.to_thread(method, places) is not None:
        raise TypeError("a blocking consumer calls plain methods of its listener, no async def")
