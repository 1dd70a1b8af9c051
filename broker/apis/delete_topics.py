"""DeleteTopics (key 20), v1-v6. Source: DeleteTopicsRequest.json; KIP-516.

v4 flexible · v5 error_message · v6 topics by name or id
Ours: the deletion is flushed before the first file goes, and answered when the files are gone.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice

from ...protocol.acls import AclOperation, AclResourceType
from ...protocol.codec.schema import ZERO_UUID
from ...protocol.connection import Request
from ...protocol.errors import ErrorCode, Refused
from ...protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from ..broker import Broker
from ..cluster.topic_names import no_topic
from ..security.rights.access import ITEMS_A_STEP, REFUSALS, Admitting, Gate, Part, Rule, with_field
from ..session import Session
from ..waiting.long_work import Steps, finished, made_of
from .create_topics import refuse_in_no_time

TOPICS_A_STEP = 300  # each is a record, and all of them one write and one flush


class Rights(Rule):
    """Delete on each topic; the name of an id is told to who may describe it."""

    def admit(self, gate: Gate, message: DeleteTopicsRequest) -> Admitting:
        """Take out what is refused."""
        kept: list[DeleteTopicState] = []
        refused: list[DeleteTopicState] = []
        for number, each in enumerate((yield from _asked(message)), 1):
            if (is_by_id := each.name is None) and each.topic_id != ZERO_UUID:
                name = gate.topics.name_of(each.topic_id)
            else:
                name = each.name
            if name is None or gate.may(AclOperation.DELETE, AclResourceType.TOPIC, name):
                kept.append(each)
            elif is_by_id and gate.sees(AclOperation.DESCRIBE, AclResourceType.TOPIC, name):
                refused.append(DeleteTopicState(name=name, topic_id=each.topic_id))
            else:
                refused.append(each)
            if not number % ITEMS_A_STEP:
                yield
        if not refused:
            return message, ()
        code, why = REFUSALS[AclResourceType.TOPIC]
        rest = with_field(message, "topic_names", [])
        part = Part(with_field(rest, "topics", refused), "responses", code, why)
        return with_field(rest, "topics", kept) if kept else None, (part,)


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> Steps:
    """Delete what can be deleted; each topic has its own answer."""
    message: DeleteTopicsRequest = request.message
    refuse_in_no_time(message.timeout_ms)
    results: list[DeletableTopicResult] = []
    names: dict[str, None] = {}  # in the order of the request
    wanted = yield from _asked(message)
    listed = Counter((each.name, each.topic_id) for each in wanted)
    left = iter({(each.name, each.topic_id): each for each in wanted}.values())
    while portion := [*islice(left, TOPICS_A_STEP)]:
        # From finding them to writing that they are deleted nobody else comes in between.
        found_before = len(names)
        for asked in portion:
            found = _find(broker, asked)
            if listed[asked.name, asked.topic_id] > 1 or found in names:
                found = Refused(ErrorCode.INVALID_REQUEST, f"{asked.name} is listed twice")
            if isinstance(found, Refused):
                results.append(_refused(asked, found.code, found.why))
            else:
                names[found] = None
                topic_id = broker.state.topics[found].topic_id
                results.append(DeletableTopicResult(name=found, topic_id=topic_id, error_code=0))
        if len(names) > found_before:
            yield from broker.delete_topics([*islice(names, found_before, None)])
        yield None
    return DeleteTopicsResponse(responses=results)


def refusal(message: DeleteTopicsRequest, code: ErrorCode, why: str) -> DeleteTopicsResponse:
    """The response that deletes nothing."""
    return DeleteTopicsResponse(
        responses=[_refused(each, code, why) for each in finished(_asked(message))]
    )


def _asked(message: DeleteTopicsRequest) -> Steps:
    """What is to be deleted, whichever version said it."""
    by_name = yield from made_of(_named, message.topic_names)
    return [*message.topics, *by_name]


def _named(name: str) -> DeleteTopicState:
    return DeleteTopicState(name=name, topic_id=ZERO_UUID)


def _find(broker: Broker, asked: DeleteTopicState) -> str | Refused:
    if not broker.config.delete_topic_enable:
        return Refused(ErrorCode.TOPIC_DELETION_DISABLED, "delete.topic.enable is false")
    if asked.name is not None and asked.topic_id != ZERO_UUID:
        return Refused(ErrorCode.INVALID_REQUEST, "give a name or an id, not both")
    if asked.name is None and asked.topic_id == ZERO_UUID:
        return Refused(ErrorCode.INVALID_REQUEST, "give a name or an id")
    if asked.name is None:
        name = broker.state.names_by_id.get(asked.topic_id)
        if name is None:
            return Refused(ErrorCode.UNKNOWN_TOPIC_ID, "there is no topic with that id")
        return name
    return asked.name if asked.name in broker.state.topics else no_topic(asked.name)


def _refused(asked: DeleteTopicState, code: ErrorCode, why: str) -> DeletableTopicResult:
    return DeletableTopicResult(
        name=asked.name, topic_id=asked.topic_id, error_code=code, error_message=why
    )
