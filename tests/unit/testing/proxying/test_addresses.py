"""Answers with addresses: rewritten where they name brokers, else passed as the bytes came."""

from __future__ import annotations

from typing import Any

import pytest
from minibroker.protocol.apis import response_type
from minibroker.protocol.codec.compiler import decoder
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.framing import Buffer
from minibroker.protocol.header import decode_response_header
from minibroker.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from minibroker.protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterResponse,
)
from minibroker.protocol.messages.find_coordinator import Coordinator, FindCoordinatorResponse
from minibroker.protocol.messages.metadata import MetadataResponse, MetadataResponseBroker
from minibroker.protocol.messages.produce import NodeEndpoint, ProduceResponse
from minibroker.testing.proxying.addresses import UnreadableAnswer, behind, offered

from tests.support.in_loop.scripted_upstream import answer_of

PRODUCE, FETCH, METADATA, FIND_COORDINATOR, API_VERSIONS, DESCRIBE_CLUSTER = 0, 1, 3, 10, 18, 60
PROXY = ("proxy.example", 4242)


def decoded(parts: list[Buffer], key: int, version: int) -> Any:
    frame = memoryview(b"".join(parts))
    correlation_id, position = decode_response_header(frame, key, version)
    assert correlation_id == 77
    return decoder(response_type(key), version)(frame, position)[0]


def through_proxy(message: Any, key: int, version: int) -> Any:
    frame = memoryview(answer_of(message, key, version, 77))
    return decoded(behind(key, version, frame, PROXY), key, version)


@pytest.mark.parametrize("version", range(14))
def test_metadata_names_the_proxy_and_keeps_the_rest(version: int) -> None:
    broker = MetadataResponseBroker(node_id=5, host="kafka.example", port=9092, rack=None)
    message = MetadataResponse(brokers=[broker], topics=[], cluster_id="c", controller_id=5)
    seen = through_proxy(message, METADATA, version)
    assert [(b.node_id, b.host, b.port) for b in seen.brokers] == [(5, *PROXY)]
    assert seen.controller_id == (5 if version >= 1 else -1)
    assert seen.cluster_id == ("c" if version >= 2 else None)


def test_a_broker_with_a_proxy_of_its_own_gets_that_ones_address() -> None:
    other, its_proxy = ("other.example", 9092), ("proxy.example", 4243)
    brokers = [
        MetadataResponseBroker(node_id=number, host=host, port=port, rack=None)
        for number, (host, port) in enumerate([("kafka.example", 9092), other])
    ]
    message = MetadataResponse(brokers=brokers, topics=[], cluster_id="c", controller_id=0)
    frame = memoryview(answer_of(message, METADATA, 12, 77))
    seen = decoded(behind(METADATA, 12, frame, PROXY, {other: its_proxy}), METADATA, 12)
    assert [(each.host, each.port) for each in seen.brokers] == [PROXY, its_proxy]


@pytest.mark.parametrize("version", range(6))
def test_find_coordinator_names_the_proxy(version: int) -> None:
    found = Coordinator(key="g", node_id=5, host="kafka.example", port=9092, error_code=0)
    none = Coordinator(key="h", node_id=-1, host="", port=-1, error_code=15)
    message = FindCoordinatorResponse(
        error_code=0, node_id=5, host="kafka.example", port=9092, coordinators=[found, none]
    )
    seen = through_proxy(message, FIND_COORDINATOR, version)
    if version >= 4:
        assert [(c.host, c.port) for c in seen.coordinators] == [PROXY, ("", -1)]
    else:
        assert (seen.node_id, seen.host, seen.port) == (5, *PROXY)


def test_find_coordinator_without_a_coordinator_passes_as_it_came() -> None:
    message = FindCoordinatorResponse(error_code=15, node_id=-1, host="", port=-1)
    frame = memoryview(answer_of(message, FIND_COORDINATOR, 2, 77))
    assert behind(FIND_COORDINATOR, 2, frame, PROXY) == [frame]


@pytest.mark.parametrize("version", range(2))
def test_describe_cluster_names_the_proxy(version: int) -> None:
    broker = DescribeClusterBroker(broker_id=5, host="kafka.example", port=9092, rack=None)
    message = DescribeClusterResponse(
        error_code=0, cluster_id="c", controller_id=5, brokers=[broker]
    )
    seen = through_proxy(message, DESCRIBE_CLUSTER, version)
    assert [(b.broker_id, b.host, b.port) for b in seen.brokers] == [(5, *PROXY)]


@pytest.mark.parametrize("version", [10, 11])
def test_a_produce_answer_that_names_leaders_names_the_proxy(version: int) -> None:
    leader = NodeEndpoint(node_id=5, host="kafka.example", port=9092, rack=None)
    message = ProduceResponse(responses=[], node_endpoints=[leader])
    seen = through_proxy(message, PRODUCE, version)
    assert [(n.node_id, n.host, n.port) for n in seen.node_endpoints] == [(5, *PROXY)]


@pytest.mark.parametrize("key", [PRODUCE, FETCH, API_VERSIONS, 99])
def test_answers_without_addresses_are_not_looked_at(key: int) -> None:
    frame = memoryview(b"\0\0\0\x4d no answer of any version")
    assert behind(key, 9, frame, PROXY)[0] is frame


def test_addresses_in_an_unreadable_version_end_the_connection() -> None:
    with pytest.raises(UnreadableAnswer, match="Metadata v14"):
        behind(METADATA, 14, memoryview(b"\0\0\0\x4d"), PROXY)


@pytest.mark.parametrize("version", range(5))
def test_unreadable_versions_are_not_offered(version: int) -> None:
    entries = [(METADATA, 0, 99), (DESCRIBE_CLUSTER, 0, 1), (FETCH, 4, 99)]
    message = ApiVersionsResponse(
        error_code=0,
        api_keys=[ApiVersion(api_key=k, min_version=a, max_version=b) for k, a, b in entries],
    )
    frame = memoryview(answer_of(message, API_VERSIONS, version, 77))
    seen = decoded(offered(version, frame, {METADATA, DESCRIBE_CLUSTER}), API_VERSIONS, version)
    ranges = [(e.api_key, e.min_version, e.max_version) for e in seen.api_keys]
    assert ranges == [(METADATA, 0, 13), (DESCRIBE_CLUSTER, 0, 1), (FETCH, 4, 99)]


def test_readable_offers_pass_as_they_came() -> None:
    message = ApiVersionsResponse(
        error_code=0, api_keys=[ApiVersion(api_key=METADATA, min_version=0, max_version=12)]
    )
    frame = memoryview(answer_of(message, API_VERSIONS, 3, 77))
    assert offered(3, frame, {METADATA})[0] is frame


def test_a_refusal_of_the_version_passes_as_it_came() -> None:
    entry = ApiVersion(api_key=API_VERSIONS, min_version=0, max_version=4)
    message = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[entry])
    frame = memoryview(answer_of(message, API_VERSIONS, 0, 77))
    assert offered(5, frame, {METADATA})[0] is frame
