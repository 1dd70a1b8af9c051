"""How AlterConfigs and IncrementalAlterConfigs change resources: each by itself, all durably.

What a change comes to is planned in cluster/config_changes.py; the messages are those of apis/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from ...protocol.errors import ErrorCode, Refused
from ..broker import Broker
from ..cluster.records import MetadataRecord
from ..waiting.long_work import Steps

RESOURCES_A_STEP = 20


class Resource(Protocol):
    """A topic or a broker, as both requests name it."""

    resource_type: int
    resource_name: str


R = TypeVar("R", bound=Resource)


def alter(
    broker: Broker,
    resources: Sequence[R],
    plan: Callable[[R], MetadataRecord | Refused],
    response: Callable[[Sequence[tuple[R, Refused | None]]], Any],
    *,
    validate_only: bool,
) -> Steps:
    """Change what can be changed, unless it is only to be validated; in portions of one write.

    Args:
        plan: what one resource becomes, or why it cannot; changes nothing.
        response: makes the response of what became of each resource; None for a success.
    Returns: the response, or a promise of it.
    Raises: StorageError: nothing of a portion was changed.
    """
    listed = Counter((each.resource_type, each.resource_name) for each in resources)
    outcomes: list[tuple[R, Refused | None]] = []
    has_changed = False
    records: list[MetadataRecord] = []
    for number, each in enumerate(resources, 1):
        planned = (
            Refused(ErrorCode.INVALID_REQUEST, f"{each.resource_name!r} is listed twice")
            if listed[each.resource_type, each.resource_name] > 1
            else plan(each)
        )
        if isinstance(planned, Refused):
            outcomes.append((each, planned))
        else:
            outcomes.append((each, None))
            records.append(planned)
            if len(records) < RESOURCES_A_STEP and number < len(resources):
                continue
        # A refusal ends a portion: to say what name was meant may take some milliseconds.
        if records and not validate_only:
            broker.change_configs(records)
            has_changed = True
        records = []
        yield None
    if not has_changed:
        return response(outcomes)
    lost = Refused(ErrorCode.KAFKA_STORAGE_ERROR, "the change could not be made durable")
    return broker.when_durable(response(outcomes), lambda: response([(r, lost) for r in resources]))
