"""Topics to be: what a request asks for, checked against what is there; a topic or a refusal.

Nothing is changed here. broker.py commits what these functions return.
Source: ReplicationControlManager.createTopic and createPartitions; KIP-4, KIP-464.
Tests: tests/unit/broker/test_broker.py
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from ...protocol.errors import ErrorCode, Refused
from ..config.broker import BrokerConfig
from ..config.properties import ConfigError
from ..config.topic import validate_overrides
from ..limits import PARTITIONS_MAX
from .metadata import ClusterMetadata, Topic
from .topic_names import LOGS_OF_THE_BROKER, folded, name_refusal

BROKER_DEFAULT = -1


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic as a client asks for it.

    Args:
        partition_count, replication_factor: -1 for the broker's default.
        assignments: broker ids by partition index; empty to leave it to the broker.
        configs: texts by property name.
    """

    name: str
    partition_count: int = BROKER_DEFAULT
    replication_factor: int = BROKER_DEFAULT
    assignments: Mapping[int, Sequence[int]] = field(default_factory=dict)
    configs: Mapping[str, str | None] = field(default_factory=dict)


def plan_topic(
    new: NewTopic, state: ClusterMetadata, config: BrokerConfig, random: Random
) -> Topic | Refused:
    """The topic that `new` becomes, with a fresh id, or the reason why it cannot be."""
    refused = _name_refusal(new.name, state) or _placement_refusal(new, config)
    if refused is not None:
        return refused
    count = len(new.assignments) or new.partition_count
    if count == BROKER_DEFAULT:
        count = config.num_partitions
    if not 0 < count <= PARTITIONS_MAX:
        return Refused(
            ErrorCode.INVALID_PARTITIONS,
            f"a topic has 1 to {PARTITIONS_MAX} partitions, not {count}",
        )
    try:
        overrides = validate_overrides(new.configs, config)
    except ConfigError as error:
        return Refused(ErrorCode.INVALID_CONFIG, str(error))
    return Topic(new.name, draw_topic_id(random), count, overrides)


def plan_partitions(
    topic: Topic, count: int, assignments: Sequence[Sequence[int]] | None, config: BrokerConfig
) -> Refused | None:
    """Why a topic cannot grow to `count` partitions in all; None if it can."""
    if count <= topic.partition_count:
        had = topic.partition_count
        return Refused(
            ErrorCode.INVALID_PARTITIONS,
            f"{topic.name} has {had} partitions already"
            if count == had
            else f"{topic.name} has {had} partitions; it cannot shrink to {count}",
        )
    if count > PARTITIONS_MAX:
        return Refused(
            ErrorCode.INVALID_PARTITIONS, f"a topic has at most {PARTITIONS_MAX} partitions"
        )
    if assignments is not None:
        if len(assignments) != count - topic.partition_count:
            return Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"{count - topic.partition_count} partitions are new, and "
                f"{len(assignments)} are assigned",
            )
        return _assignment_refusal(assignments, config)
    return None


def draw_topic_id(random: Random) -> bytes:
    """A random UUID (version 4) of 16 bytes whose text form has no '-', as Kafka draws them."""
    while True:
        topic_id = UUID(int=random.getrandbits(128), version=4).bytes
        if b"-" not in urlsafe_b64encode(topic_id):
            return topic_id


def _name_refusal(name: str, state: ClusterMetadata) -> Refused | None:
    if name in state.topics:
        return Refused(ErrorCode.TOPIC_ALREADY_EXISTS, f"topic {name} exists already")
    why = name_refusal(name)
    if why is None and name in LOGS_OF_THE_BROKER:
        why = f"{name} is kept by the broker itself and is no topic here"
    if why is not None:
        return Refused(ErrorCode.INVALID_TOPIC_EXCEPTION, why)
    other = next((each for each in state.names_by_fold.get(folded(name), ()) if each != name), None)
    if other is not None:
        return Refused(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"{name} and the existing {other} differ only in '.' and '_'",
        )
    return None


def _placement_refusal(new: NewTopic, config: BrokerConfig) -> Refused | None:
    if new.assignments:
        if (new.partition_count, new.replication_factor) != (BROKER_DEFAULT, BROKER_DEFAULT):
            return Refused(
                ErrorCode.INVALID_REQUEST,
                "give either an assignment or a number of partitions and replicas, not both",
            )
        if sorted(new.assignments) != list(range(len(new.assignments))):
            return Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions are numbered from 0 without gaps"
            )
        return _assignment_refusal([*new.assignments.values()], config)
    factor = new.replication_factor
    if factor in (BROKER_DEFAULT, 1) or (factor > 1 and config.replication_factor_lenient):
        return None
    return Refused(
        ErrorCode.INVALID_REPLICATION_FACTOR,
        f"replication factor {factor}: there is one broker, so it must be 1",
    )


def _assignment_refusal(
    assignments: Sequence[Sequence[int]], config: BrokerConfig
) -> Refused | None:
    for brokers in assignments:
        if list(brokers) != [config.node_id]:
            return Refused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"every partition must be assigned to broker {config.node_id} alone",
            )
    return None
