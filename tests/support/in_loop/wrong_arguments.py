"""What may be handed to every public call of the client: a right value, and some that cannot be.

CALLS names every public method of Producer, Consumer and Admin and every parameter of each; a test
holds it against their signatures, so that a new parameter cannot be forgotten here.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NamedTuple

from minibroker.client import Admin, Consumer, ConsumerRebalanceListener, Producer, TopicPartition
from minibroker.client.administer.acl_bindings import AclBinding, AclBindingFilter
from minibroker.client.administer.quota_entities import ClientQuotaEntity
from minibroker.client.administer.results import ConfigResource
from minibroker.protocol.acls import AclOperation, AclResourceType

LONE_SURROGATE = "\ud800"
LONG = "x" * 40_000
NAN, INFINITE = float("nan"), float("inf")


class Kind(NamedTuple):
    """A kind of argument: makes a right one, and lists wrong ones."""

    right: Callable[[], Any]
    wrong: tuple[Any, ...]


NO_TEXTS = (7, b"t", 1.5, LONE_SURROGATE, LONG, ["t"], {"t": 1})
NO_WHOLES = (0.0, NAN, "0", b"0", -2, 2**63, True, [0], datetime.timedelta(1))
NO_NUMBERS = (NAN, INFINITE, -1, -0.5, 10**400, "5", b"5", True, [5], datetime.timedelta(1))
NO_PLACES = (
    *("t", b"t", 7, None, ("t",), ("t", 0, 0), ("t", 0.0), ("t", -1), ("t", 2**31), ("t", True)),
    *((7, 0), (LONE_SURROGATE, 0), ("t", None), {"t": 0}),
)
NO_LISTS = ("t", b"t", 7, 1.5, object())
P0 = TopicPartition("t", 0)
RULE = AclBinding(AclResourceType.TOPIC, "t", "User:a", AclOperation.READ)

TOPIC = Kind(lambda: "t", (None, *NO_TEXTS))
NAME = Kind(lambda: "g", (None, *NO_TEXTS))
OPTIONAL_BYTES = Kind(lambda: b"v", ("text", 5, 1.5, ["v"], {"v": 1}, object()))
PARTITION = Kind(lambda: 0, NO_WHOLES)
TIMESTAMP = Kind(
    lambda: 1_700_000_000_000,
    (NAN, INFINITE, -1, 10**20, "0", b"0", True, [0], datetime.datetime(2024, 1, 1)),
)
TIMEOUT = Kind(lambda: 5_000, NO_NUMBERS)
MARK = Kind(lambda: None, (1.5, True, ["m"], (7, 1), ("s", None), ("s", 1, 2), ("s", LONG), LONG))
HEADERS = Kind(
    lambda: [("h", b"1"), ("t", "text"), ("n", None)],
    (
        *("h", b"h", 7, [b"h"], ["hv"], [("h",)], [("h", b"1", b"2")], [(b"h", b"1")], [("h", 7)]),
        *([(LONE_SURROGATE, b"")], [("h", LONE_SURROGATE)], [("h", [b"1"])], [7], {"h": 7}),
    ),
)
TOPICS = Kind(lambda: ["t"], (*NO_LISTS, *([each] for each in TOPIC.wrong)))
PLACE = Kind(lambda: P0, NO_PLACES)
PLACES = Kind(lambda: [P0], (*NO_LISTS, P0, *([each] for each in NO_PLACES)))
PLACES_OR_ALL = PLACES
WHOLE_OFFSETS = (-(2**40), 2**63, 0.0, NAN, "0", True, None, [0])
OFFSETS = Kind(
    lambda: {P0: 0},
    (
        *(7, "t", [P0], {"t": 0}, {("t", -1): 0}, *({P0: each} for each in WHOLE_OFFSETS)),
        *({P0: (0, 7, -1)}, {P0: (0, LONE_SURROGATE, -1)}, {P0: (0, "", -2)}, {P0: (0, "", 0, 0)}),
        {P0: ()},
    ),
)
PLAIN_OFFSETS = Kind(lambda: {P0: 0}, (7, "t", [P0], *({P0: each} for each in WHOLE_OFFSETS)))
TIMES = Kind(lambda: {P0: 0}, (7, "t", [P0], {"t": 0}, *({P0: each} for each in TIMESTAMP.wrong)))
COUNT = Kind(lambda: 1, (0, *NO_WHOLES))
PROPERTIES = Kind(
    lambda: {"retention.ms": "1000"},
    (7, "t", [("a", "b")], {7: "1"}, {"a": 1}, {"a": LONE_SURROGATE}),
)
RESOURCE = Kind(
    lambda: ConfigResource.topic("t"),
    (
        *(None, "t", 7, ConfigResource(4, "one"), ConfigResource(300, "t")),
        *(ConfigResource(2, LONE_SURROGATE), ConfigResource(2, None)),  # type: ignore[arg-type]
    ),
)
FLAG = Kind(lambda: True, (None, 0, 1, "yes", b"1", [True]))
MECHANISM = Kind(lambda: "SCRAM-SHA-256", (None, 7, "PLAIN", "scram-sha-256", b"SCRAM-SHA-256"))
CALLBACK = Kind(lambda: print, (7, "print", []))

CALLS: dict[type[Any], dict[str, dict[str, Kind]]] = {
    Producer: {
        "start": {},
        "stop": {"timeout_ms": TIMEOUT},
        "transaction": {},
        "send": {
            "topic": TOPIC,
            "value": OPTIONAL_BYTES,
            "key": OPTIONAL_BYTES,
            "partition": PARTITION,
            "timestamp_ms": TIMESTAMP,
            "headers": HEADERS,
            "mark": MARK,
        },
        "send_and_wait": {
            "topic": TOPIC,
            "value": OPTIONAL_BYTES,
            "key": OPTIONAL_BYTES,
            "partition": PARTITION,
            "timestamp_ms": TIMESTAMP,
            "headers": HEADERS,
            "mark": MARK,
        },
        "send_many": {
            "topic": TOPIC,
            "values": Kind(lambda: [b"v"], (None, *NO_LISTS, ["v"], [7])),
            "keys": Kind(lambda: [b"k"], (*NO_LISTS, ["k"], [7], [], [b"k", b"k"])),
            "partition": PARTITION,
            "timestamp_ms": TIMESTAMP,
            "headers": Kind(
                lambda: [HEADERS.right()], (*NO_LISTS, [], *([each] for each in HEADERS.wrong))
            ),
            "timestamps": Kind(lambda: [0], (*NO_LISTS, [], *([each] for each in TIMESTAMP.wrong))),
        },
        "flush": {"timeout_ms": TIMEOUT},
        "partitions_for": {"topic": TOPIC},
        "metrics": {},
    },
    Consumer: {
        "start": {},
        "stop": {},
        "subscribe": {
            "topics": TOPICS,
            "pattern": Kind(lambda: None, (7, b"t", ["t"], "(", LONE_SURROGATE)),
            "listener": Kind(ConsumerRebalanceListener, (7, "l", print)),
        },
        "subscription": {},
        "unsubscribe": {},
        "assign": {"partitions": PLACES},
        "partitions_for_topic": {"topic": TOPIC, "timeout_ms": TIMEOUT},
        "commit": {"offsets": OFFSETS, "timeout_ms": TIMEOUT},
        "committed": {"partition": PLACE, "timeout_ms": TIMEOUT},
        "group_offsets": {},
        "seek_to_committed": {"timeout_ms": TIMEOUT},
        "getone": {"partitions": PLACE},
        "getmany": {
            "partitions": PLACE,
            "timeout_ms": TIMEOUT,
            "max_records": Kind(lambda: 5, COUNT.wrong),
        },
        "metrics": {},
        "assignment": {},
        "seek": {
            "partition": PLACE,
            "offset": Kind(lambda: 0, (-1, *(each for each in WHOLE_OFFSETS))),
        },
        "seek_to_beginning": {"partitions": PLACE},
        "seek_to_end": {"partitions": PLACE},
        "position": {"partition": PLACE, "timeout_ms": TIMEOUT},
        "highwater": {"partition": PLACE},
        "lag": {"partitions": PLACE},
        "beginning_offsets": {"partitions": PLACES},
        "end_offsets": {"partitions": PLACES},
        "offsets_for_times": {"timestamps": TIMES},
        "pause": {"partitions": PLACE},
        "resume": {"partitions": PLACE},
    },
    Admin: {
        "start": {},
        "stop": {},
        "describe_cluster": {},
        "describe_log_dirs": {"node_id": Kind(lambda: 1, (None, *NO_WHOLES)), "partitions": PLACES},
        "list_topics": {"list_internal": FLAG},
        "describe_topics": {"topics": TOPICS},
        "create_topic": {
            "topic": TOPIC,
            "num_partitions": Kind(lambda: 1, NO_WHOLES),
            "replication_factor": Kind(lambda: 1, (*NO_WHOLES, 2**15)),
            "configs": PROPERTIES,
        },
        "delete_topics": {"topics": TOPICS},
        "create_partitions": {"topic": TOPIC, "total_count": Kind(lambda: 2, NO_WHOLES)},
        "describe_configs": {
            "resource": RESOURCE,
            "include_synonyms": FLAG,
            "include_documentation": FLAG,
        },
        "alter_configs": {"resource": RESOURCE, "changes": PROPERTIES},
        "delete_records": {"offsets": PLAIN_OFFSETS},
        "list_offsets": {"timestamps": PLAIN_OFFSETS},
        "list_groups": {"states": Kind(lambda: ["Stable"], TOPICS.wrong)},
        "describe_group": {"group_id": NAME},
        "delete_group": {"group_id": NAME},
        "remove_member": {"group_id": NAME, "group_instance_id": NAME},
        "list_group_offsets": {"group_id": NAME, "partitions": PLACES_OR_ALL},
        "alter_group_offsets": {"group_id": NAME, "offsets": OFFSETS},
        "delete_group_offsets": {"group_id": NAME, "partitions": PLACES},
        "list_transactions": {
            "states": Kind(lambda: ["Ongoing"], TOPICS.wrong),
            "producer_ids": Kind(
                lambda: [1], (*NO_LISTS, *([each] for each in (None, *NO_WHOLES)))
            ),
            "duration_ms": Kind(lambda: 0, NO_WHOLES),
            "pattern": Kind(lambda: "t.*", NO_TEXTS),
        },
        "describe_transactions": {"transactional_ids": TOPICS},
        "describe_producers": {"partitions": PLACES},
        "abort_transaction": {
            "partition": PLACE,
            "start_offset": Kind(lambda: 0, (-1, *WHOLE_OFFSETS)),
        },
        "force_terminate_transaction": {"transactional_id": NAME},
        "create_acls": {"acls": Kind(lambda: [RULE], (*NO_LISTS, [7], ["User:a"], [None]))},
        "describe_acls": {"wanted": Kind(AclBindingFilter, (None, 7, "User:a", RULE))},
        "delete_acls": {
            "filters": Kind(lambda: [AclBindingFilter()], (*NO_LISTS, [7], [RULE], [None]))
        },
        "alter_client_quotas": {
            "entity": Kind(lambda: ClientQuotaEntity(user="a"), (None, 7, "a", {"user": "a"})),
            "changes": Kind(
                lambda: {"producer_byte_rate": 1e6},
                (None, 7, "producer_byte_rate", {7: 1.0}, {"producer_byte_rate": "fast"}),
            ),
            "validate_only": FLAG,
        },
        "describe_client_quotas": {
            **{name: Kind(lambda: None, (7, b"a", ["a"])) for name in ("user", "client_id", "ip")},
            "strict": FLAG,
        },
        "describe_user_scram_credentials": {"users": TOPICS},
        "upsert_user_scram_credential": {
            "user": NAME,
            "mechanism": MECHANISM,
            "password": Kind(lambda: "s", (None, 7, b"s", "", LONE_SURROGATE, ["s"])),
            "iterations": Kind(lambda: 4_096, (0, *NO_WHOLES)),
        },
        "delete_user_scram_credential": {"user": NAME, "mechanism": MECHANISM},
        "find_hanging_transactions": {
            "partitions": PLACES,
            "max_transaction_timeout_ms": Kind(lambda: 0, (None, *NO_WHOLES)),
        },
    },
}
"""By class and method: what each parameter takes."""

# Of the calls that wait for an answer, with a right value: what a wrong one beside it needs.
NEEDED = {
    "send": ("topic",),
    "send_and_wait": ("topic",),
    "send_many": ("topic", "values"),
    "seek": ("partition", "offset"),
}


def arguments(kind: type[Any], method: str, wrong: str | None, value: object) -> dict[str, Any]:
    """Keyword arguments for a call: the needed ones right, one of them wrong."""
    parameters = CALLS[kind][method]
    names = NEEDED.get(method, [*parameters] if kind is Admin else ())
    given = {name: parameters[name].right() for name in names if name != wrong}
    needs = {"position", "highwater", "committed", "partitions_for_topic", "offsets_for_times"}
    if method in needs or method in ("assign", "beginning_offsets", "end_offsets"):
        first = next(iter(parameters))
        given.setdefault(first, parameters[first].right())
    if wrong is not None:
        given[wrong] = value
    return given
