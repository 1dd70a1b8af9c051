"""Rewriting of answers, so that clients stay behind the fault proxy.

Only answers that carry addresses are touched: Metadata, FindCoordinator, DescribeCluster, and
Produce where it names new leaders. Of these APIs, versions that cannot be read here must not be
spoken: `offered` takes them out of ApiVersions answers. Fetch names addresses only from v16 on and
only when a leader moved, which a single-address Kafka never says; those pass unchanged. So a client
of several brokers may get past their proxies when a leader moves.
Pure. Whole frames without their size bytes in, the same out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...protocol.apis import APIS, response_type
from ...protocol.codec.compiler import decoder, encoder
from ...protocol.errors import ErrorCode
from ...protocol.framing import Buffer
from ...protocol.header import decode_response_header, response_header
from .rules import is_readable

PRODUCE, METADATA, FIND_COORDINATOR, API_VERSIONS, DESCRIBE_CLUSTER = 0, 3, 10, 18, 60

ALWAYS_ADDRESSED = frozenset({METADATA, FIND_COORDINATOR, DESCRIBE_CLUSTER})
_PRODUCE_ADDRESSED_SINCE = 10  # KIP-951: node_endpoints
_PRODUCE_LAST = APIS[PRODUCE].versions[1]

Address = tuple[str, int]
ALONE: Mapping[Address, Address] = {}


class UnreadableAnswer(ValueError):
    """An answer carries addresses in a version that cannot be read here."""


def behind(
    api_key: int,
    version: int,
    frame: memoryview,
    address: Address,
    neighbours: Mapping[Address, Address] = ALONE,
) -> list[Buffer]:
    """Replace every broker address in an answer by the proxy's.

    Args:
        frame: the answer without its size bytes.
        address: host and port under which clients reach the proxy.
        neighbours: brokers that have a proxy of their own, and where that is.

    Returns:
        The parts of the answer: `frame` itself where there was nothing to replace.

    Raises:
        UnreadableAnswer: of a version that this code cannot read; the connection must end.
        DecodeError: malformed.
    """
    if api_key in ALWAYS_ADDRESSED:
        if not is_readable(api_key, version):
            raise UnreadableAnswer(f"{APIS[api_key].name} v{version}")
    elif not (api_key == PRODUCE and _PRODUCE_ADDRESSED_SINCE <= version <= _PRODUCE_LAST):
        return [frame]
    correlation_id, position = decode_response_header(frame, api_key, version)
    message, _ = decoder(response_type(api_key), version)(frame, position)
    addressed = _addressed(api_key, version, message)
    if not addressed:
        return [frame]
    for entry in addressed:
        entry.host, entry.port = neighbours.get((entry.host, entry.port), address)
    return _encoded(api_key, version, correlation_id, message)


def offered(version: int, frame: memoryview, read: Collection[int]) -> list[Buffer]:
    """Take versions that cannot be read here out of an ApiVersions answer.

    Args:
        version: of the ApiVersions request.
        frame: the answer without its size bytes.
        read: keys of the APIs that the proxy must be able to read.

    Returns:
        The parts of the answer: `frame` itself where nothing had to go.
    """
    correlation_id, position = decode_response_header(frame, API_VERSIONS, version)
    refused = int.from_bytes(frame[position : position + 2], "big")
    if refused == ErrorCode.UNSUPPORTED_VERSION or not is_readable(API_VERSIONS, version):
        return [frame]
    message, _ = decoder(response_type(API_VERSIONS), version)(frame, position)
    changed = False
    for entry in message.api_keys:
        if entry.api_key in read:
            last = APIS[entry.api_key].newest_spoken
            changed = changed or entry.max_version > last
            entry.max_version = min(entry.max_version, last)
    return _encoded(API_VERSIONS, version, correlation_id, message) if changed else [frame]


def _addressed(api_key: int, version: int, message: Any) -> list[Any]:
    """The parts of an answer that have a host and a port."""
    if api_key in {METADATA, DESCRIBE_CLUSTER}:
        return list(message.brokers)
    if api_key == PRODUCE:
        return list(message.node_endpoints)
    named = message.coordinators if version >= 4 else [message]  # KIP-699: several keys
    return [entry for entry in named if entry.error_code == ErrorCode.NONE]


def _encoded(api_key: int, version: int, correlation_id: int, message: Any) -> list[Buffer]:
    head = response_header(api_key, version, correlation_id)
    return [head, *encoder(response_type(api_key), version)(message)]
