"""Many topics created at once: planned and written in portions, so that nobody waits for all.

A portion is planned and written in one step, so that no other request comes in between. Used by
CreateTopics and, for topics that are created when they are first asked for, by Metadata.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import islice

from ...protocol.errors import ErrorCode, Refused
from ..broker import Broker
from ..cluster.metadata import Topic
from ..cluster.topics import NewTopic
from ..limits import PARTITIONS_IN_ALL_MAX
from ..storage.port import FlushFailed, StorageError

PORTION = 25  # each takes about 20 µs, and the whole portion one write

Outcomes = dict[str, Topic | Refused]
"""What became of each topic, by name."""


def create_topics(
    broker: Broker, wanted: Iterable[NewTopic], *, validate_only: bool = False
) -> Generator[None, None, Outcomes]:
    """Create what can be created, in steps; answer through `when_durable`.

    Args:
        wanted: no name twice.
        validate_only: say what would become of them, and create nothing.
    """
    outcomes: Outcomes = {}
    planned_count = 0  # partitions that are planned and not written, nor ever will be
    left = iter(wanted)
    while portion := [*islice(left, PORTION)]:
        planned: list[Topic] = []
        count = planned_count
        for new in portion:
            outcome = _planned(broker, new, count)
            outcomes[new.name] = outcome
            if isinstance(outcome, Topic):
                planned.append(outcome)
                count += outcome.partition_count
        if validate_only:
            planned_count = count
        elif planned:
            outcomes.update(_create(broker, planned))
        yield
    return outcomes


def _planned(broker: Broker, new: NewTopic, planned_count: int) -> Topic | Refused:
    outcome = broker.plan_topic(new)
    if isinstance(outcome, Refused):
        return outcome
    count = broker.state.partition_count + planned_count + outcome.partition_count
    if count > PARTITIONS_IN_ALL_MAX:
        return Refused(ErrorCode.POLICY_VIOLATION, too_many(count))
    return outcome


def too_many(count: int) -> str:
    """Why there cannot be so many partitions in all."""
    return f"this broker has at most {PARTITIONS_IN_ALL_MAX} partitions in all, not {count}"


def _create(broker: Broker, planned: list[Topic]) -> Iterator[tuple[str, Refused]]:
    """Create them, all or none; gives those that could not be."""
    try:
        broker.create_topics(planned)
    except FlushFailed:
        raise
    except StorageError as error:
        for topic in planned:
            yield topic.name, Refused(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
