"""EDGE: asks both clusters what plan.py wants to know; changes nothing.

Whether topics could be created is asked by the request that would create them, told only to look
(validate_only): names, copies, configurations and rights in one.
Tests: tests/system/commands/test_graduate.py
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...client.admin import TopicDescription
from ...client.errors import ClientError, UnsupportedApi
from ...protocol.errors import ErrorCode, error_code
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ..asking.topic_extents import extents_of
from ..comparing.described import Properties, is_of_mirrors, is_of_users
from ..comparing.side import Side
from ..terminal.running import WrongUsage
from .mirror_properties import OWN_TOPICS
from .plan import Facts, configs_to_take, replication_factor
from .rights import missing_rights, sees_all

Topics = Mapping[str, TopicDescription]


async def facts_of(
    old: Side, new: Side, topics: Topics, groups: Mapping[str, str], factor: int | None
) -> Facts:
    """Ask both. Raises ClientError: one of them does not say.

    Args:
        topics: of the old cluster, those to be mirrored.
        groups: their types.
        factor: how many copies topics are to have; None for as many as is usual.
    """
    versions = (await _versions(old), await _versions(new))
    left_out = sorted(each for each in await old.topics() if is_of_mirrors(each))
    there = await new.topics()
    brokers = (await new.admin.describe_cluster()).brokers
    copies = factor or replication_factor(len(brokers))
    missing = {name: topic for name, topic in topics.items() if name not in there}
    rights = await missing_rights(old, new, topics, {*topics} & {*there})
    # Without them the next questions end in refusals, of the first right that is missing.
    configs = {} if rights else await old.configs(topics)
    values = {name: {key: value for key, (value, _) in configs[name].items()} for name in configs}
    return Facts(
        cluster_ids=(old.cluster_id, new.cluster_id),
        versions=versions,
        topics={name: len(each.partitions) for name, each in topics.items()},
        taken={name: len(each.partitions) for name, each in there.items()},
        replication_factor=copies,
        size_bytes=await _size(old, topics),
        usable_bytes=await _room(new, [each.node_id for each in brokers]),
        refused={} if rights else await _refused(new, missing, configs, copies),
        group_types=groups,
        transactional_ids=await _transactional_ids(old),
        left_out=left_out,
        compacted=sorted(n for n in values if "compact" in values[n].get("cleanup.policy", "")),
        longest_bytes=max(
            (int(each.get("max.message.bytes", 0)) for each in values.values()), default=0
        ),
        rights_missing=rights,
        sees_all=await sees_all(old),
    )


async def topics_to_mirror(
    old: Side, wanted: Collection[str] | None
) -> dict[str, TopicDescription]:
    """The topics that are to be mirrored: these, or all of users.

    Raises:
        WrongUsage: one that is named is not there.
    """
    told = await old.topics()
    missing = sorted({*(wanted or ())} - {*told})
    if missing:
        raise WrongUsage(f"--topics: the old cluster has no topic {', '.join(missing)}")
    return {
        name: each
        for name, each in told.items()
        if (is_of_users(each) if wanted is None else name in wanted)
    }


async def group_types(old: Side, wanted: Collection[str] | None) -> dict[str, str]:
    """The groups there are, or these, and of which type each is.

    Raises:
        WrongUsage: one that is named is not there.
    """
    told = {each.group_id: each.group_type for each in await old.admin.list_groups()}
    missing = sorted({*(wanted or ())} - {*told})
    if missing:
        raise WrongUsage(f"--groups: the old cluster has no group {', '.join(missing)}")
    return {name: each for name, each in told.items() if wanted is None or name in wanted}


async def _versions(side: Side) -> dict[int, int]:
    connection = await side.asking.anywhere()
    return {key: highest for key, (_, highest) in connection.versions.items()}


async def _size(side: Side, topics: Topics) -> int | None:
    try:
        extents = await extents_of(side.admin, topics.values())
    except ClientError:  # no right to see it: then it is not known
        return None
    sizes = [each.size_bytes for each in extents.values()]
    known = [each for each in sizes if each is not None]
    return sum(known) if len(known) == len(sizes) else None


async def _room(side: Side, node_ids: list[int]) -> int | None:
    total = 0
    for node_id in node_ids:
        try:
            directories = await side.admin.describe_log_dirs(node_id)
        except ClientError:  # no right to see it, or too old: then it is not known
            return None
        free = [each.usable_bytes for each in directories.values()]
        if not free or min(free) < 0:
            return None
        total += sum(free)
    return total


async def _refused(
    new: Side, topics: Topics, configs: Mapping[str, Properties], copies: int
) -> dict[str, str]:
    """What `new` says of topics that it would not create, the mirror's own among them."""
    wanted = [
        _creatable(name, len(topic.partitions), copies, configs_to_take(configs[name]))
        for name, topic in topics.items()
    ]
    wanted += [_creatable(name, 1, copies, {"cleanup.policy": "compact"}) for name in OWN_TOPICS]
    request = CreateTopicsRequest(topics=wanted, validate_only=True)

    async def ask() -> CreateTopicsResponse:
        answer: CreateTopicsResponse = await new.asking.request(
            await new.asking.controller(), request
        )
        return answer

    answer = await new.asking.persist("look whether topics can be created", ask)
    refused: dict[str, str] = {}
    for each in answer.topics:
        code = error_code(each.error_code)
        if code and code is not ErrorCode.TOPIC_ALREADY_EXISTS:
            refused[each.name] = f"{code.name}: {each.error_message or ''}".rstrip(": ")
    return refused


async def _transactional_ids(side: Side) -> int:
    try:
        return len(await side.admin.list_transactions())
    except UnsupportedApi:
        return 0


def _creatable(
    name: str, partitions: int, copies: int, configs: Mapping[str, str]
) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=copies,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
    )
