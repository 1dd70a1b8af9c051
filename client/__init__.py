"""The client side of the wire: Producer and Consumer for any Kafka; knows nothing of our broker.

Names are imported when first used, so that a program pays only for what it takes.
Read next: producer.py, sender.py, consumer.py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .consumer import Consumer, ConsumerRecord, TopicPartition
    from .delivery import Delivery, Receipts, RecordMetadata
    from .errors import ClientError, DeliveryTimeout, Fatal, Fenced, Retriable
    from .network import ConnectionFailed, RequestTimedOut
    from .producer import Producer

__all__ = [
    "ClientError",
    "ConnectionFailed",
    "Consumer",
    "ConsumerRecord",
    "Delivery",
    "DeliveryTimeout",
    "Fatal",
    "Fenced",
    "Producer",
    "Receipts",
    "RecordMetadata",
    "RequestTimedOut",
    "Retriable",
    "TopicPartition",
]

HOMES = {
    **dict.fromkeys(("Consumer", "ConsumerRecord", "TopicPartition"), "consumer"),
    **dict.fromkeys(("ClientError", "DeliveryTimeout", "Fatal", "Fenced", "Retriable"), "errors"),
    **dict.fromkeys(("ConnectionFailed", "RequestTimedOut"), "network"),
    **dict.fromkeys(("Delivery", "Receipts", "RecordMetadata"), "delivery"),
    "Producer": "producer",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOMES[name]}", __name__), name)
