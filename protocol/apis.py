"""The registry: every API this code has messages for, in api-key order.

One line here and one file in messages/ make an API; the file is named like the API, in snake case,
and holds the request and the response for all versions. This module imports none of them (nor
construct): request_type() and response_type() do, on first use.

`versions` are those that can be read and written; what a broker serves is for it to decide.
Source: clients/src/main/resources/common/message/*.json of Apache Kafka.
Tests: tests/unit/protocol/codec/test_schema.py
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

OWN_KEYS_FROM = 10_000


@dataclass(frozen=True, slots=True)
class Api:
    """One API of the protocol.

    Attributes:
        key: the api_key in request headers.
        name: Kafka's name, such as "InitProducerId".
        versions: first and last version, both inclusive.
        flexible: first version with compact lengths and tag sections; None if there is none.
        advertised_from: first version to list in ApiVersions where that differs from versions[0].
        spoken_until: last version that a client or proxy of ours speaks, if it is another.
    """

    key: int
    name: str
    versions: tuple[int, int]
    flexible: int | None
    advertised_from: int | None = None
    spoken_until: int | None = None

    @property
    def newest_spoken(self) -> int:
        """The version that a client of ours asks in, if the broker offers it."""
        return self.versions[1] if self.spoken_until is None else self.spoken_until

    @property
    def is_kafkas(self) -> bool:
        """Whether Apache Kafka has it; others are ours, used only where they are offered."""
        return self.key < OWN_KEYS_FROM

    @property
    def module_name(self) -> str:
        """Name of the message module: "InitProducerId" lives in init_producer_id."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()

    def is_flexible(self, version: int) -> bool:
        """Whether `version` has compact lengths and tag sections."""
        return self.flexible is not None and version >= self.flexible


APIS: dict[int, Api] = {
    api.key: api
    for api in (
        # KAFKA-18659: advertised from 0, because old librdkafka looks for low Produce versions.
        # v13 names topics by nothing but their ids: whoever has only the name cannot speak it.
        Api(0, "Produce", versions=(3, 13), flexible=9, advertised_from=0, spoken_until=12),
        Api(1, "Fetch", versions=(4, 12), flexible=12),
        Api(2, "ListOffsets", versions=(1, 9), flexible=6),
        Api(3, "Metadata", versions=(0, 13), flexible=9),
        Api(8, "OffsetCommit", versions=(2, 9), flexible=8),
        Api(9, "OffsetFetch", versions=(1, 9), flexible=6),
        Api(10, "FindCoordinator", versions=(0, 5), flexible=3),
        Api(11, "JoinGroup", versions=(0, 9), flexible=6),
        Api(12, "Heartbeat", versions=(0, 4), flexible=4),
        Api(13, "LeaveGroup", versions=(0, 5), flexible=4),
        Api(14, "SyncGroup", versions=(0, 5), flexible=4),
        Api(15, "DescribeGroups", versions=(0, 5), flexible=5),
        Api(16, "ListGroups", versions=(0, 5), flexible=3),
        Api(17, "SaslHandshake", versions=(0, 1), flexible=None),
        Api(18, "ApiVersions", versions=(0, 4), flexible=3),
        Api(19, "CreateTopics", versions=(2, 7), flexible=5),
        Api(20, "DeleteTopics", versions=(1, 6), flexible=4),
        Api(21, "DeleteRecords", versions=(0, 2), flexible=2),
        Api(22, "InitProducerId", versions=(0, 5), flexible=2),
        Api(23, "OffsetForLeaderEpoch", versions=(2, 4), flexible=4),
        Api(24, "AddPartitionsToTxn", versions=(0, 5), flexible=3),
        Api(25, "AddOffsetsToTxn", versions=(0, 4), flexible=3),
        Api(26, "EndTxn", versions=(0, 5), flexible=3),
        Api(27, "WriteTxnMarkers", versions=(1, 2), flexible=1),
        Api(28, "TxnOffsetCommit", versions=(0, 5), flexible=3),
        Api(29, "DescribeAcls", versions=(1, 3), flexible=2),
        Api(30, "CreateAcls", versions=(1, 3), flexible=2),
        Api(31, "DeleteAcls", versions=(1, 3), flexible=2),
        Api(32, "DescribeConfigs", versions=(1, 4), flexible=4),
        Api(33, "AlterConfigs", versions=(0, 2), flexible=2),
        Api(34, "AlterReplicaLogDirs", versions=(1, 2), flexible=2),
        Api(35, "DescribeLogDirs", versions=(1, 4), flexible=2),
        Api(36, "SaslAuthenticate", versions=(0, 2), flexible=2),
        Api(37, "CreatePartitions", versions=(0, 3), flexible=2),
        Api(42, "DeleteGroups", versions=(0, 2), flexible=2),
        Api(43, "ElectLeaders", versions=(0, 2), flexible=2),
        Api(44, "IncrementalAlterConfigs", versions=(0, 1), flexible=1),
        Api(45, "AlterPartitionReassignments", versions=(0, 1), flexible=0),
        Api(46, "ListPartitionReassignments", versions=(0, 0), flexible=0),
        Api(47, "OffsetDelete", versions=(0, 0), flexible=None),
        Api(48, "DescribeClientQuotas", versions=(0, 1), flexible=1),
        Api(49, "AlterClientQuotas", versions=(0, 1), flexible=1),
        Api(50, "DescribeUserScramCredentials", versions=(0, 0), flexible=0),
        Api(51, "AlterUserScramCredentials", versions=(0, 0), flexible=0),
        Api(55, "DescribeQuorum", versions=(0, 2), flexible=0),
        Api(60, "DescribeCluster", versions=(0, 2), flexible=0),
        Api(61, "DescribeProducers", versions=(0, 0), flexible=0),
        Api(65, "DescribeTransactions", versions=(0, 0), flexible=0),
        Api(66, "ListTransactions", versions=(0, 2), flexible=0),
        Api(74, "ListConfigResources", versions=(0, 1), flexible=0),
        Api(75, "DescribeTopicPartitions", versions=(0, 0), flexible=0),
        Api(10_000, "ExplainProduce", versions=(0, 2), flexible=0),
        Api(10_001, "DescribeProducerWindows", versions=(0, 0), flexible=0),
        Api(10_002, "DescribeBroker", versions=(0, 0), flexible=0),
        Api(10_003, "DescribeFaults", versions=(0, 0), flexible=0),
        Api(10_004, "AlterFaults", versions=(0, 0), flexible=0),
    )
}


@cache  # asked for at every message
def request_type(key: int) -> type[Any]:
    """The request class of the API with this key. Raises KeyError if there is none."""
    return _message_type(APIS[key], "Request")


@cache
def response_type(key: int) -> type[Any]:
    """The response class of the API with this key. Raises KeyError if there is none."""
    return _message_type(APIS[key], "Response")


def _message_type(api: Api, suffix: str) -> type[Any]:
    found: type[Any] = getattr(
        import_module(f".messages.{api.module_name}", __package__), api.name + suffix
    )
    return found
