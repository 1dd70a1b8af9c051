"""The client side of the wire: Producer, Consumer and Admin for any Kafka; knows no broker of ours.

Names are imported when first used, so that a program pays only for what it takes. Type checkers
read the imports below, and nothing else: a misspelt name is an error there as well as here.
Read next: producer.py, produce/sender.py, consumer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocol.acls import AclOperation, AclPermission, AclResourceType, PatternType
    from ..protocol.configs import ConfigSource, ConfigType
    from ..protocol.errors import ErrorCode
    from .admin import Admin
    from .administer.acl_bindings import AclBinding, AclBindingFilter
    from .administer.quota_entities import ClientQuotaEntity, QuotaName
    from .administer.results import (
        BrokerNode,
        ClusterDescription,
        ConfigEntry,
        ConfigResource,
        ConfigSynonym,
        GroupDescription,
        GroupListing,
        GroupMemberDescription,
        HangingTransaction,
        LogDirDescription,
        PartitionDescription,
        ProducerDescription,
        ReplicaDescription,
        ScramCredentialInfo,
        TopicDescription,
        TransactionDescription,
        TransactionListing,
    )
    from .cluster.list_offsets import EARLIEST, LATEST, MAX_TIMESTAMP, OffsetAndTimestamp
    from .consumer import Consumer
    from .errors import (
        Abortable,
        AuthenticationFailed,
        ClientError,
        ConnectionFailed,
        DeliveryTimeout,
        Fatal,
        Fenced,
        JournalDamaged,
        JournalFailed,
        JournalFull,
        JournalTooNew,
        LogTruncation,
        RequestTimedOut,
        Retriable,
        SessionInUse,
        StaleJournal,
        UnsupportedApi,
    )
    from .fetch.position import ConsumerRecord
    from .group.subscription import ConsumerRebalanceListener
    from .partitions import GroupOffsets, OffsetAndMetadata, RecordMetadata, TopicPartition
    from .processing.output import Output, Progress
    from .processing.process import process
    from .produce.receipts import Delivery, Receipts
    from .producer import Producer
    from .session.outcomes import Unsettled
    from .session.session import Session
    from .transaction import Transaction

    __version__: str

HOMES = {
    "Abortable": ".errors",
    "AclBinding": ".administer.acl_bindings",
    "AclBindingFilter": ".administer.acl_bindings",
    "AclOperation": "..protocol.acls",
    "AclPermission": "..protocol.acls",
    "AclResourceType": "..protocol.acls",
    "Admin": ".admin",
    "AuthenticationFailed": ".errors",
    "BrokerNode": ".administer.results",
    "ClientError": ".errors",
    "ClientQuotaEntity": ".administer.quota_entities",
    "ClusterDescription": ".administer.results",
    "ConfigEntry": ".administer.results",
    "ConfigResource": ".administer.results",
    "ConfigSource": "..protocol.configs",
    "ConfigSynonym": ".administer.results",
    "ConfigType": "..protocol.configs",
    "ConnectionFailed": ".errors",
    "Consumer": ".consumer",
    "ConsumerRebalanceListener": ".group.subscription",
    "ConsumerRecord": ".fetch.position",
    "Delivery": ".produce.receipts",
    "DeliveryTimeout": ".errors",
    "EARLIEST": ".cluster.list_offsets",
    "ErrorCode": "..protocol.errors",
    "Fatal": ".errors",
    "Fenced": ".errors",
    "GroupDescription": ".administer.results",
    "GroupListing": ".administer.results",
    "GroupMemberDescription": ".administer.results",
    "GroupOffsets": ".partitions",
    "HangingTransaction": ".administer.results",
    "JournalDamaged": ".errors",
    "JournalFailed": ".errors",
    "JournalFull": ".errors",
    "JournalTooNew": ".errors",
    "LATEST": ".cluster.list_offsets",
    "LogDirDescription": ".administer.results",
    "LogTruncation": ".errors",
    "MAX_TIMESTAMP": ".cluster.list_offsets",
    "OffsetAndMetadata": ".partitions",
    "OffsetAndTimestamp": ".cluster.list_offsets",
    "Output": ".processing.output",
    "PartitionDescription": ".administer.results",
    "PatternType": "..protocol.acls",
    "Producer": ".producer",
    "ProducerDescription": ".administer.results",
    "Progress": ".processing.output",
    "QuotaName": ".administer.quota_entities",
    "Receipts": ".produce.receipts",
    "RecordMetadata": ".partitions",
    "ReplicaDescription": ".administer.results",
    "RequestTimedOut": ".errors",
    "Retriable": ".errors",
    "ScramCredentialInfo": ".administer.results",
    "Session": ".session.session",
    "SessionInUse": ".errors",
    "StaleJournal": ".errors",
    "TopicDescription": ".administer.results",
    "TopicPartition": ".partitions",
    "Transaction": ".transaction",
    "TransactionDescription": ".administer.results",
    "TransactionListing": ".administer.results",
    "Unsettled": ".session.outcomes",
    "UnsupportedApi": ".errors",
    "process": ".processing.process",
}

__all__ = [
    "EARLIEST",
    "LATEST",
    "MAX_TIMESTAMP",
    "Abortable",
    "AclBinding",
    "AclBindingFilter",
    "AclOperation",
    "AclPermission",
    "AclResourceType",
    "Admin",
    "AuthenticationFailed",
    "BrokerNode",
    "ClientError",
    "ClientQuotaEntity",
    "ClusterDescription",
    "ConfigEntry",
    "ConfigResource",
    "ConfigSource",
    "ConfigSynonym",
    "ConfigType",
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
    "GroupOffsets",
    "HangingTransaction",
    "JournalDamaged",
    "JournalFailed",
    "JournalFull",
    "JournalTooNew",
    "LogDirDescription",
    "LogTruncation",
    "OffsetAndMetadata",
    "OffsetAndTimestamp",
    "Output",
    "PartitionDescription",
    "PatternType",
    "Producer",
    "ProducerDescription",
    "Progress",
    "QuotaName",
    "Receipts",
    "RecordMetadata",
    "ReplicaDescription",
    "RequestTimedOut",
    "Retriable",
    "ScramCredentialInfo",
    "Session",
    "SessionInUse",
    "StaleJournal",
    "TopicDescription",
    "TopicPartition",
    "Transaction",
    "TransactionDescription",
    "TransactionListing",
    "Unsettled",
    "UnsupportedApi",
    "process",
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
