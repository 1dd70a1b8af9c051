"""An order service: every order that is accepted is published once, as an event, with aiokafka."""

import json
from dataclasses import asdict, dataclass

from aiokafka import AIOKafkaProducer


@dataclass(frozen=True)
class Order:
    """What a customer asked for."""

    number: int
    item: str
    count: int


class OrderService:
    """Accepts orders; other services hear of them on a topic, keyed by the order's number."""

    def __init__(self, servers: str, topic: str, *, idempotent: bool = True) -> None:
        self._topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=servers, acks="all", enable_idempotence=idempotent
        )

    async def __aenter__(self) -> "OrderService":
        await self._producer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._producer.stop()

    async def accept(self, order: Order) -> None:
        """Publish an order; returns when it can no longer be lost. Raises KafkaError."""
        if order.count < 1:
            raise ValueError(f"order {order.number}: {order.count} of {order.item}")
        key = str(order.number).encode()
        await self._producer.send_and_wait(self._topic, event(order), key=key)


def event(order: Order) -> bytes:
    """What is published of an order."""
    return json.dumps({"accepted": asdict(order)}).encode()
