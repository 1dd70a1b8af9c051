"""The client side of the wire: Producer, Consumer and Admin for any Kafka; knows no broker of ours.

Names are imported when first used, so that a program pays only for what it takes.
Read next: producer.py, sender.py, consumer.py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .admin import Admin
    from .consumer import Consumer
    from .delivery import Delivery, Receipts, RecordMetadata
    from .errors import ClientError, DeliveryTimeout, Fatal, Fenced, LogTruncation, Retriable
    from .network import ConnectionFailed, RequestTimedOut
    from .offsets import OffsetAndTimestamp
    from .partitions import OffsetAndMetadata, TopicPartition
    from .producer import Producer
    from .reading import ConsumerRecord
    from .subscription import ConsumerRebalanceListener

__all__ = [
    "Admin",
    "ClientError",
    "ConnectionFailed",
    "Consumer",
    "ConsumerRebalanceListener",
    "ConsumerRecord",
    "Delivery",
    "DeliveryTimeout",
    "Fatal",
    "Fenced",
    "LogTruncation",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "Producer",
    "Receipts",
    "RecordMetadata",
    "RequestTimedOut",
    "Retriable",
    "TopicPartition",
]

HOMES = {
    "Admin": "admin",
    "Consumer": "consumer",
    "ConsumerRebalanceListener": "subscription",
    "ConsumerRecord": "reading",
    "OffsetAndTimestamp": "offsets",
    **dict.fromkeys(("OffsetAndMetadata", "TopicPartition"), "partitions"),
    **dict.fromkeys(("ClientError", "DeliveryTimeout", "Fatal", "Fenced"), "errors"),
    **dict.fromkeys(("LogTruncation", "Retriable"), "errors"),
    **dict.fromkeys(("ConnectionFailed", "RequestTimedOut"), "network"),
    **dict.fromkeys(("Delivery", "Receipts", "RecordMetadata"), "delivery"),
    "Producer": "producer",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOMES[name]}", __name__), name)
