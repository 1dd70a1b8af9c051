"""The client side of the wire: Producer, Consumer and Admin for any Kafka; knows no broker of ours.

Names are imported when first used, so that a program pays only for what it takes. Type checkers
read the imports below, and nothing else: a misspelt name is an error there as well as here.
Read next: producer.py, sender.py, consumer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocol.errors import ErrorCode
    from .admin import Admin
    from .admin_results import (
        BrokerNode,
        ClusterDescription,
        ConfigEntry,
        ConfigResource,
        ConfigSource,
        GroupDescription,
        GroupListing,
        GroupMemberDescription,
        PartitionDescription,
        TopicDescription,
    )
    from .consumer import Consumer
    from .delivery import Delivery, Receipts, RecordMetadata
    from .errors import (
        ClientError,
        ConnectionFailed,
        DeliveryTimeout,
        Fatal,
        Fenced,
        LogTruncation,
        RequestTimedOut,
        Retriable,
        UnsupportedApi,
    )
    from .offsets import EARLIEST, LATEST, OffsetAndTimestamp
    from .partitions import OffsetAndMetadata, TopicPartition
    from .producer import Producer
    from .reading import ConsumerRecord
    from .subscription import ConsumerRebalanceListener

    __version__: str

HOMES = {
    "Admin": ".admin",
    "BrokerNode": ".admin_results",
    "ClientError": ".errors",
    "ClusterDescription": ".admin_results",
    "ConfigEntry": ".admin_results",
    "ConfigResource": ".admin_results",
    "ConfigSource": ".admin_results",
    "ConnectionFailed": ".errors",
    "Consumer": ".consumer",
    "ConsumerRebalanceListener": ".subscription",
    "ConsumerRecord": ".reading",
    "Delivery": ".delivery",
    "DeliveryTimeout": ".errors",
    "EARLIEST": ".offsets",
    "ErrorCode": "..protocol.errors",
    "Fatal": ".errors",
    "Fenced": ".errors",
    "GroupDescription": ".admin_results",
    "GroupListing": ".admin_results",
    "GroupMemberDescription": ".admin_results",
    "LATEST": ".offsets",
    "LogTruncation": ".errors",
    "OffsetAndMetadata": ".partitions",
    "OffsetAndTimestamp": ".offsets",
    "PartitionDescription": ".admin_results",
    "Producer": ".producer",
    "Receipts": ".delivery",
    "RecordMetadata": ".delivery",
    "RequestTimedOut": ".errors",
    "Retriable": ".errors",
    "TopicDescription": ".admin_results",
    "TopicPartition": ".partitions",
    "UnsupportedApi": ".errors",
}

__all__ = [
    "EARLIEST",
    "LATEST",
    "Admin",
    "BrokerNode",
    "ClientError",
    "ClusterDescription",
    "ConfigEntry",
    "ConfigResource",
    "ConfigSource",
    "ConnectionFailed",
    "Consumer",
    "ConsumerRebalanceListener",
    "ConsumerRecord",
    "Delivery",
    "DeliveryTimeout",
    "ErrorCode",
    "Fatal",
    "Fenced",
    "GroupDescription",
    "GroupListing",
    "GroupMemberDescription",
    "LogTruncation",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "PartitionDescription",
    "Producer",
    "Receipts",
    "RecordMetadata",
    "RequestTimedOut",
    "Retriable",
    "TopicDescription",
    "TopicPartition",
    "UnsupportedApi",
]

if not TYPE_CHECKING:  # a __getattr__ that a checker can see would make every name right for it

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "__version__":
            from importlib.metadata import version

            return version("minibroker")
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(HOMES[name], __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
