"""DeleteTopics (key 20), v1–v6. Source: DeleteTopicsRequest.json, DeleteTopicsResponse.json;
KIP-516, KIP-599.

v4 flexible · v5 error_message · v6 topics by name or id. v2 and v3 change no byte.
Up to v5 the topics are in `topic_names`, from v6 in `topics`.
"""

from ..apis import APIS
from ..codec.schema import (
    ZERO_UUID,
    ArrayOf,
    Int16,
    Int32,
    NullableString,
    String,
    Uuid,
    request,
    response,
    struct,
    wire,
)

DELETE_TOPICS = APIS[20]


@struct
class DeleteTopicState:
    name: str | None = wire(NullableString, default=None)
    topic_id: bytes = wire(Uuid, default=ZERO_UUID)


@request(DELETE_TOPICS)
class DeleteTopicsRequest:
    topics: list[DeleteTopicState] = wire(ArrayOf(DeleteTopicState), since=6, default=[])
    topic_names: list[str] = wire(ArrayOf(String), until=5, default=[], ignorable=True)
    timeout_ms: int = wire(Int32)


@struct
class DeletableTopicResult:
    name: str | None = wire(String, nullable_since=6)
    topic_id: bytes = wire(Uuid, since=6, default=ZERO_UUID)
    error_code: int = wire(Int16)
    error_message: str | None = wire(NullableString, since=5, default=None)


@response(DELETE_TOPICS)
class DeleteTopicsResponse:
    throttle_time_ms: int = wire(Int32, default=0)
    responses: list[DeletableTopicResult] = wire(ArrayOf(DeletableTopicResult))
