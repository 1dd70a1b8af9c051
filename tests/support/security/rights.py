"""EDGE: plays rows of rights: rules are made, bob asks, rules are removed."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from minibroker.broker.cluster.acls import Acl
from minibroker.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from minibroker.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from minibroker.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest

from tests.support.security.rights_requests import TOPICS, coordinator
from tests.support.security.rights_rows import Row
from tests.support.security.talk import Place, Talk

BOB = b"\0bob\0bob-secret"


async def differences(
    place: Place, rows: Sequence[Row], within_s: float = 0.0
) -> dict[str, tuple[object, object]]:
    """What was seen and expected, by row, where that differs. The rows' topics are made first.

    Args:
        within_s: of a broker that hears of rules a moment later: bob asks again for so long.
    """
    admin = await place.open("PLAINTEXT")
    await _make_topics(admin)
    found = {}
    for row in rows:
        seen = await _played(place, admin, row, within_s)
        if seen != row.expected:
            found[row.name] = seen, row.expected
    return found


async def _make_topics(admin: Talk) -> None:
    topics = [
        CreatableTopic(
            name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
        )
        for name in TOPICS
    ]
    made = await admin.answer(CreateTopicsRequest(topics=topics, timeout_ms=5000), 7)
    assert all(each.error_code in (0, 36) for each in made.topics), made
    await admin.answer(coordinator(0), 3)  # where Kafka makes the topic of offsets


async def _played(place: Place, admin: Talk, row: Row, within_s: float) -> object:
    if row.rules:
        made = await admin.answer(CreateAclsRequest(creations=[*map(_creation, row.rules)]), 3)
        assert not any(each.error_code for each in made.results), made
    try:
        until = monotonic() + within_s
        seen = await _asked(place, row)
        while seen != row.expected and monotonic() < until:
            seen = await _asked(place, row)
        return seen
    finally:
        await admin.answer(DeleteAclsRequest(filters=[_everything()]), 3)


async def _asked(place: Place, row: Row) -> object:
    bob = await place.open("SASL_PLAINTEXT")
    await bob.handshake("PLAIN")
    assert (await bob.token(BOB)).startswith("0")
    try:
        return row.told(await bob.answer(row.request, row.version))
    except AttributeError as error:
        return f"{error}"
    finally:
        await bob.close()


def _creation(acl: Acl) -> AclCreation:
    return AclCreation(
        resource_type=acl.resource_type,
        resource_name=acl.name,
        resource_pattern_type=acl.pattern_type,
        principal=acl.principal,
        host=acl.host,
        operation=acl.operation,
        permission_type=acl.permission,
    )


def _everything() -> DeleteAclsFilter:
    return DeleteAclsFilter(
        resource_type_filter=1,
        resource_name_filter=None,
        pattern_type_filter=1,
        principal_filter=None,
        host_filter=None,
        operation=1,
        permission_type=1,
    )
