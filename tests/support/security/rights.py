"""EDGE: plays rows of rights: rules are made, somebody asks, rules are removed."""

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
    place: Place, rows: Sequence[Row], within_s: float = 0.0, *, as_admin: bool = False
) -> dict[str, tuple[object, object]]:
    """What was seen and expected, by row, where that differs. The rows' topics are made first.

    Args:
        within_s: of a broker that hears of rules a moment later: it is asked again for so long.
        as_admin: the administrator asks, not bob.
    """
    admin = await place.open("PLAINTEXT")
    await make_topics(admin)
    found = {}
    for row in rows:
        seen = await _played(place, admin, row, within_s, as_admin=as_admin)
        if seen != row.expected:
            found[row.name] = seen, row.expected
    return found


async def make_topics(admin: Talk) -> None:
    topics = [
        CreatableTopic(
            name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[]
        )
        for name in TOPICS
    ]
    made = await admin.answer(CreateTopicsRequest(topics=topics, timeout_ms=5000), 7)
    assert all(each.error_code in (0, 36) for each in made.topics), made
    await admin.answer(coordinator(0), 3)  # where Kafka makes the topic of offsets


async def _played(
    place: Place, admin: Talk, row: Row, within_s: float, *, as_admin: bool
) -> object:
    if row.rules:
        made = await admin.answer(CreateAclsRequest(creations=[*map(creation, row.rules)]), 3)
        assert not any(each.error_code for each in made.results), made
    try:
        until = monotonic() + within_s
        seen = await _asked(place, row, as_admin=as_admin)
        while seen != row.expected and monotonic() < until:
            seen = await _asked(place, row, as_admin=as_admin)
        return seen
    finally:
        await admin.answer(DeleteAclsRequest(filters=[everything()]), 3)


async def bobs(place: Place) -> Talk:
    """A connection on which bob has logged in."""
    bob = await place.open("SASL_PLAINTEXT")
    await bob.handshake("PLAIN")
    assert (await bob.token(BOB)).startswith("0")
    return bob


async def _asked(place: Place, row: Row, *, as_admin: bool) -> object:
    talk = await place.open("PLAINTEXT") if as_admin else await bobs(place)
    try:
        return row.told(await talk.answer(row.request, row.version))
    except AttributeError as error:
        return f"{error}"
    finally:
        await talk.close()


def creation(acl: Acl) -> AclCreation:
    return AclCreation(
        resource_type=acl.resource_type,
        resource_name=acl.name,
        resource_pattern_type=acl.pattern_type,
        principal=acl.principal,
        host=acl.host,
        operation=acl.operation,
        permission_type=acl.permission,
    )


def everything() -> DeleteAclsFilter:
    return DeleteAclsFilter(
        resource_type_filter=1,
        resource_name_filter=None,
        pattern_type_filter=1,
        principal_filter=None,
        host_filter=None,
        operation=1,
        permission_type=1,
    )
