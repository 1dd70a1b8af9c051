"""Topics made, grown and deleted under a quota: a token for each partition.

Versions since KIP-599 are strict: what is asked for without a token left is refused with 89. Older
ones are served, and wait afterwards.
Source: ControllerMutationQuotaManager.scala, ControllerApis.scala; KIP-599.
Tests: tests/system/rights/test_quotas.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, Final, NamedTuple, Protocol

from ....protocol.connection import Request
from ....protocol.errors import ErrorCode
from ....protocol.messages.create_partitions import CreatePartitionsRequest
from ....protocol.messages.create_topics import CreateTopicsRequest
from ....protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ...cluster.quotas import Client
from ...session import Session
from ..rights.access import Part, with_field, with_refused
from .meters import Meters

WHY: Final = "The throttling quota has been exceeded."


class _Kind(NamedTuple):
    """An API that changes topics: its lists, and since which version it is strict."""

    asked: str
    answered: str
    strict_since: int


KINDS: Final[dict[type[Any], _Kind]] = {
    CreateTopicsRequest: _Kind("topics", "topics", 6),
    CreatePartitionsRequest: _Kind("topics", "results", 3),
    DeleteTopicsRequest: _Kind("topics", "responses", 5),
}


class Partitions(Protocol):
    """How many partitions topics have, or get."""

    def count_of(self, name: str | None, topic_id: bytes) -> int:
        """Of a topic that is there; 0 if there is none."""

    @property
    def default_count(self) -> int:
        """Of a topic that names no number."""


class Handled(NamedTuple):
    """What a request has come to.

    Args:
        outcome: an answer, or a promise of it.
        throttle_ms: how long the client has to wait.
        told: makes what is told of the answer.
    """

    outcome: Any
    throttle_ms: float
    told: Callable[[Any], Any]


def mutations_in(message: Any) -> bool:
    """Whether a request changes topics."""
    return type(message) in KINDS and not getattr(message, "validate_only", False)


class Mutations:
    """Requests that change topics, handled as far as there are tokens.

    Args:
        refuse: the answer that refuses a request as a whole.
    """

    def __init__(
        self,
        meters: Meters,
        partitions: Partitions,
        handle: Callable[[Request, Session], Any],
        refuse: Callable[[Request, ErrorCode, str], Any],
    ) -> None:
        self._meters = meters
        self._partitions = partitions
        self._handle = handle
        self._refuse = refuse

    def handled(self, request: Request, session: Session, client: Client, now_ms: float) -> Handled:
        """What came of it. Raises as the handler."""
        message, kind = request.message, KINDS[type(request.message)]
        is_strict = request.route.version >= kind.strict_since
        kept: list[Any] = []
        refused: list[Any] = []
        for count, item in self._counted(message):
            if is_strict and not self._meters.may_mutate(client, now_ms):
                refused.append(item)
            else:
                kept.append(item)
                self._meters.mutated(client, count, now_ms)
        throttle_ms = self._meters.mutated(client, 0, now_ms)
        if not refused:
            return Handled(self._handle(request, session), throttle_ms, _as_it_is)
        if isinstance(message, DeleteTopicsRequest):
            message = with_field(message, "topic_names", [])
        part = Part(
            with_field(message, kind.asked, refused),
            kind.answered,
            ErrorCode.THROTTLING_QUOTA_EXCEEDED,
            WHY,
        )

        def refusal(asked: Any, code: ErrorCode, why: str) -> Any:
            return self._refuse(_about(request, asked), code, why)

        def behind(response: Any) -> Any:
            return with_refused(response, [part], refusal)

        if not kept:
            return Handled(behind(None), throttle_ms, _as_it_is)
        outcome = self._handle(_about(request, with_field(message, kind.asked, kept)), session)
        return Handled(outcome, throttle_ms, behind)

    def _counted(self, message: Any) -> Iterator[tuple[int, Any]]:
        """(partitions, item) of each topic."""
        if isinstance(message, DeleteTopicsRequest):
            named = [DeleteTopicState(name=name) for name in message.topic_names]
            for each in (*message.topics, *named):
                yield self._partitions.count_of(each.name, each.topic_id), each
        elif isinstance(message, CreatePartitionsRequest):
            for growing in message.topics:
                yield max(growing.count - self._partitions.count_of(growing.name, b""), 0), growing
        else:
            default = self._partitions.default_count
            for new in message.topics:
                count = len(new.assignments) or new.num_partitions
                yield (default if count < 0 else count), new


def _about(request: Request, message: Any) -> Request:
    made = copy(request)
    made.message = message
    return made


def _as_it_is(response: Any) -> Any:
    return response
