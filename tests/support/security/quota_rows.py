"""Quotas as they are asked for frame by frame: rows for ours and for Apache Kafka alike.

An administrator asks. A row has the quotas that are there, a request, and what the answer says.
Measured on Apache Kafka 4.3.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minibroker.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    EntityData,
    EntryData,
    OpData,
)
from minibroker.protocol.messages.describe_client_quotas import (
    ComponentData,
    DescribeClientQuotasRequest,
)

from tests.support.security.rights_requests import Told

Parts = dict[str, str | None]


class QuotaRow(NamedTuple):
    """One row.

    Args:
        there: (entity, key, value) of what is set before; all is taken away behind it.
    """

    name: str
    there: tuple[tuple[Parts, str, float], ...]
    request: Any
    version: int
    expected: object
    told: Told


def entry(entity: Parts, *ops: tuple[str, float | None]) -> EntryData:
    """What is changed of one entity; None takes it away."""
    return EntryData(
        entity=[EntityData(entity_type=kind, entity_name=name) for kind, name in entity.items()],
        ops=[OpData(key=key, value=value or 0.0, remove=value is None) for key, value in ops],
    )


def altering(*entries: EntryData, validate_only: bool = False) -> AlterClientQuotasRequest:
    return AlterClientQuotasRequest(entries=[*entries], validate_only=validate_only)


def altered(answer: Any) -> object:
    """Kafka tells of entities in any order."""
    return sorted((each.error_code, each.error_message or "") for each in answer.entries)


def describing(
    *parts: tuple[str, int, str | None], strict: bool = False
) -> DescribeClientQuotasRequest:
    components = [
        ComponentData(entity_type=kind, match_type=match_type, match=match)
        for kind, match_type, match in parts
    ]
    return DescribeClientQuotasRequest(components=components, strict=strict)


def described(answer: Any) -> object:
    if answer.entries is None:
        return answer.error_code, answer.error_message, None
    found = sorted(
        (
            sorted((each.entity_type, each.entity_name or "(default)") for each in one.entity),
            sorted((each.key, each.value) for each in one.values),
        )
        for one in answer.entries
    )
    return answer.error_code, answer.error_message, found


def alter_row(
    name: str, entity: Parts, *ops: tuple[str, float | None], expected: object
) -> QuotaRow:
    return QuotaRow(name, (), altering(entry(entity, *ops)), 1, [expected], altered)


PRODUCE, CONSUME = "producer_byte_rate", "consumer_byte_rate"
REQUEST, MUTATION = "request_percentage", "controller_mutation_rate"
CONNECT = "connection_creation_rate"
BOB: Parts = {"user": "bob"}
GOOD = (0, "")
COMBINED = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"
THERE: tuple[tuple[Parts, str, float], ...] = (
    ({"user": "bob"}, PRODUCE, 1000.0),
    ({"user": None}, PRODUCE, 2000.0),
    ({"user": "bob", "client-id": "app"}, CONSUME, 3000.0),
    ({"client-id": "app"}, REQUEST, 50.0),
    ({"ip": "127.0.0.9"}, CONNECT, 7.0),
)
OF_BOB = ([("user", "bob")], [(PRODUCE, 1000.0)])
OF_USERS = ([("user", "(default)")], [(PRODUCE, 2000.0)])
OF_BOTH = ([("client-id", "app"), ("user", "bob")], [(CONSUME, 3000.0)])
OF_APP = ([("client-id", "app")], [(REQUEST, 50.0)])
OF_IP = ([("ip", "127.0.0.9")], [(CONNECT, 7.0)])


def describe_row(
    name: str, *parts: tuple[str, int, str | None], strict: bool = False, expected: object
) -> QuotaRow:
    return QuotaRow(name, THERE, describing(*parts, strict=strict), 1, expected, described)


QUOTA_ROWS = [
    alter_row("a user", BOB, (PRODUCE, 1e6), expected=GOOD),
    alter_row("all users", {"user": None}, (PRODUCE, 1e6), expected=GOOD),
    alter_row("a client id", {"client-id": "app"}, (CONSUME, 1e6), expected=GOOD),
    alter_row("both", {"user": "bob", "client-id": None}, (REQUEST, 50.0), expected=GOOD),
    alter_row("an address", {"ip": "127.0.0.9"}, (CONNECT, 5.0), expected=GOOD),
    alter_row("all addresses", {"ip": None}, (CONNECT, 1e6), expected=GOOD),
    alter_row(
        "everything at once",
        BOB,
        (PRODUCE, 1.0),
        (CONSUME, 2.0),
        (REQUEST, 0.5),
        (MUTATION, 0.5),
        expected=GOOD,
    ),
    alter_row("what is not there is taken away", BOB, (PRODUCE, None), expected=GOOD),
    alter_row("nothing", BOB, expected=GOOD),
    alter_row(
        "an unknown key",
        BOB,
        ("nonsense", 1.0),
        expected=(42, "Invalid configuration key nonsense"),
    ),
    alter_row(
        "0", BOB, (PRODUCE, 0.0), expected=(42, "Quota producer_byte_rate must be greater than 0")
    ),
    alter_row(
        "less than 0",
        BOB,
        (CONSUME, -1.0),
        expected=(42, "Quota consumer_byte_rate must be greater than 0"),
    ),
    alter_row(
        "a fraction of a byte",
        BOB,
        (PRODUCE, 1.5),
        expected=(42, "producer_byte_rate cannot be a fractional value."),
    ),
    alter_row(
        "an unknown type",
        {"foo": "bar"},
        (PRODUCE, 1.0),
        expected=(42, "Unhandled client quota entity type: foo"),
    ),
    alter_row("no entity", {}, (PRODUCE, 1.0), expected=(42, "Invalid empty client quota entity")),
    alter_row(
        "connections of a user",
        BOB,
        (CONNECT, 1.0),
        expected=(42, "Invalid configuration key connection_creation_rate"),
    ),
    alter_row(
        "bytes of an address",
        {"ip": "127.0.0.9"},
        (PRODUCE, 1.0),
        expected=(42, "Invalid configuration key producer_byte_rate"),
    ),
    alter_row(
        "what is no address",
        {"ip": "nohost.invalid"},
        (CONNECT, 1.0),
        expected=(42, "nohost.invalid is not a valid IP or resolvable host."),
    ),
    alter_row(
        "an empty name", {"user": ""}, (PRODUCE, 1.0), expected=(42, "Empty user not supported")
    ),
    alter_row(
        "a user and an address",
        {"user": "bob", "ip": "127.0.0.9"},
        (CONNECT, 1.0),
        expected=(42, COMBINED),
    ),
    QuotaRow(
        "one good, one bad",
        (),
        altering(entry(BOB, (PRODUCE, 1e6)), entry({"user": "eve"}, ("nonsense", 1.0))),
        1,
        [GOOD, (42, "Invalid configuration key nonsense")],
        altered,
    ),
    QuotaRow(
        "only asked, bad",
        (),
        altering(entry(BOB, ("nonsense", 1.0)), validate_only=True),
        1,
        [(42, "Invalid configuration key nonsense")],
        altered,
    ),
    QuotaRow(
        "the same entity twice",
        (),
        altering(entry(BOB, (PRODUCE, 1e6)), entry(BOB, (CONSUME, 1e6))),
        1,
        [(42, "Ignoring duplicate entity ClientQuotaEntity(entries={user=bob})")],
        altered,
    ),
    describe_row("all", expected=(0, "", [OF_APP, OF_BOTH, OF_IP, OF_USERS, OF_BOB])),
    describe_row("bob", ("user", 0, "bob"), expected=(0, "", [OF_BOTH, OF_BOB])),
    describe_row("bob, strict", ("user", 0, "bob"), strict=True, expected=(0, "", [OF_BOB])),
    describe_row("the default", ("user", 1, None), expected=(0, "", [OF_USERS])),
    describe_row("any user", ("user", 2, None), expected=(0, "", [OF_BOTH, OF_USERS, OF_BOB])),
    describe_row(
        "any user and client id",
        ("user", 2, None),
        ("client-id", 2, None),
        expected=(0, "", [OF_BOTH]),
    ),
    describe_row("an address", ("ip", 0, "127.0.0.9"), expected=(0, "", [OF_IP])),
    describe_row("nobody", ("user", 0, "eve"), expected=(0, "", [])),
    describe_row(
        "an unknown type", ("zzz", 2, None), expected=(35, "Unsupported entity type zzz", None)
    ),
    describe_row("nothing, strict", strict=True, expected=(0, "", [])),
]
