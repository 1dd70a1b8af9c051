"""EDGE: every field of every request that is served: which file acts on it, or why none does.

    python -m tests.support.pages.request_fields

writes docs/request-fields.md anew. Fields come from the messages, and where they act from the
handlers: a field acts where its API's file in broker/apis reads the attribute.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from minibroker.broker.apis.served import SERVED, handler_file
from minibroker.protocol.apis import Api, request_type
from minibroker.protocol.codec.schema import Field, Kind, declaration_of

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "request-fields.md"
HEAD = """\
# What each field of a request does

Made from the messages and their handlers by `python -m tests.support.pages.request_fields`; a test
holds the page, the messages and the handlers together. Versions are those that are served. A field
that nothing acts on says why that is as good as acting, or as Apache Kafka does on one node.

| Request | Field | Versions | Acts in, or why nowhere |
|---|---|---|---|
"""

NO_REPLICAS = "nothing is replicated, so there is nobody to wait for"
NO_FOLLOWERS = "there are no followers; Kafka's answer is the same whoever asks"
NEVER_UNDER_WAY = "no reassignment is ever under way, whatever is asked for"
FOR_PEOPLE = "a word for Kafka's own log, which no answer depends on"
AT_LOGIN = "is read at a login, before requests are dispatched; behind it all get one answer"
LIKE_DESCRIBE_ACLS = "read by `filter_of` of [DescribeAcls](../broker/apis/describe_acls.py)"
NOT_READ = {
    ("SaslHandshake", "mechanism"): AT_LOGIN,
    ("SaslAuthenticate", "auth_bytes"): AT_LOGIN,
    ("Produce", "timeout_ms"): NO_REPLICAS,
    ("DeleteAcls", "filters.resource_name_filter"): LIKE_DESCRIBE_ACLS,
    ("DeleteAcls", "filters.principal_filter"): LIKE_DESCRIBE_ACLS,
    ("DeleteAcls", "filters.host_filter"): LIKE_DESCRIBE_ACLS,
    ("Fetch", "cluster_id"): "only voters of a Raft quorum send it",
    ("Fetch", "forgotten_topics_data"): "belongs to fetch sessions, which are declined",
    ("Fetch", "rack_id"): "there is one replica to read from",
    ("ListOffsets", "replica_id"): NO_FOLLOWERS,
    ("OffsetFetch", "groups.member_id"): "belongs to groups of KIP-848, which are not served",
    ("OffsetFetch", "groups.member_epoch"): "belongs to groups of KIP-848, which are not served",
    ("JoinGroup", "reason"): FOR_PEOPLE,
    ("LeaveGroup", "members.reason"): FOR_PEOPLE,
    ("DeleteRecords", "timeout_ms"): NO_REPLICAS,
    ("OffsetForLeaderEpoch", "replica_id"): NO_FOLLOWERS,
    ("ListPartitionReassignments", "timeout_ms"): NEVER_UNDER_WAY,
    ("ListPartitionReassignments", "topics"): NEVER_UNDER_WAY,
    ("ListPartitionReassignments", "topics.name"): NEVER_UNDER_WAY,
    ("ListPartitionReassignments", "topics.partition_indexes"): NEVER_UNDER_WAY,
    ("DescribeCluster", "include_fenced_brokers"): "there is one broker, which is never fenced",
}


class RequestField(NamedTuple):
    """One field of a request; `path` names the arrays and structs around it."""

    api: Api
    path: str
    since: int
    until: int

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def versions(self) -> str:
        """Those that have the field, of those that are served."""
        return f"{self.since}" if self.since == self.until else f"{self.since}-{self.until}"


def request_fields() -> Iterator[RequestField]:
    """Every field of every request that is served, by API key and in the order of the wire."""
    for api in SERVED.values():
        yield from _fields(api, request_type(api.key), "")


def read_names(api: Api) -> frozenset[str]:
    """The attributes that the handler of an API reads."""
    tree = ast.parse((ROOT / handler_file(api)).read_text(encoding="utf-8"))
    return frozenset(
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


def page() -> str:
    """The page as it should be."""
    lines = []
    for field in request_fields():
        where = NOT_READ.get((field.api.name, field.path))
        if where is None:
            path = handler_file(field.api)
            where = f"[{path}](../{path})"
        lines.append(f"| {field.api.name} | {field.path} | {field.versions} | {where} |")
    return HEAD + "\n".join(lines) + "\n"


def _fields(api: Api, message: type[Any], prefix: str) -> Iterator[RequestField]:
    first, last = api.versions
    for name, field in declaration_of(message).fields.items():
        path = f"{prefix}{name}"
        until = last if field.until is None else min(field.until, last)
        yield RequestField(api, path, max(field.since, first), until)
        inner = _struct_in(field)
        if inner is not None:
            yield from _fields(api, inner, f"{path}.")


def _struct_in(field: Field) -> type[Any] | None:
    """The struct that a field holds one or an array of."""
    kind: Any = field.kind
    while isinstance(kind, Kind):
        inner = [getattr(kind, name, None) for name in ("array", "element", "struct")]
        kind = next((each for each in inner if each is not None), None)
    return kind if isinstance(kind, type) else None


def main() -> int:
    """Write the page. Returns the exit code."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
