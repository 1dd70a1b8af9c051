"""What the codec tests share: every message at every version, values for them, lengths in them."""

from __future__ import annotations

from typing import Any, NamedTuple

from construct import Construct
from hypothesis import strategies as st
from minibroker.protocol.apis import APIS, request_type, response_type
from minibroker.protocol.codec.schema import api_of, wire_at
from minibroker.protocol.codec.source import fixed_format, unnamed
from minibroker.protocol.codec.wire import (
    Absent,
    Array,
    Lengthed,
    Optional,
    Tags,
    Text,
    TypedStruct,
    fresh,
)


class Versioned(NamedTuple):
    """A request or response class at one version."""

    message: type[Any]
    version: int

    @property
    def tree(self) -> TypedStruct:
        return wire_at(self.message, self.version)

    def __str__(self) -> str:
        return f"{self.message.__name__}-v{self.version}"


ALL = [
    Versioned(message, version)
    for key, api in APIS.items()
    for message in (request_type(key), response_type(key))
    for version in range(api.versions[0], api.versions[1] + 1)
]
MESSAGES: dict[type[Any], list[Versioned]] = {}
for each in ALL:
    MESSAGES.setdefault(each.message, []).append(each)
KAFKAS = [which for which in ALL if api_of(which.message).is_kafkas]
# Names that matter on their way into a foreign implementation, whose types are narrower.
ERROR_CODES = st.integers(-1, 119)
LIMITED = {
    "error_code": ERROR_CODES,
    "topic_config_error_code": ERROR_CODES,
    "partition_error_code": ERROR_CODES,
    "transaction_start_time_ms": st.integers(0, 4_000_000_000_000),
    "log_append_time_ms": st.just(-1) | st.integers(0, 4_000_000_000_000),
    "session_lifetime_ms": st.integers(0, 4_000_000_000_000),
    "retention_time_ms": st.just(-1) | st.integers(0, 4_000_000_000_000),
}
TEXTS = st.sampled_from(["", "ü€𝄞", "x" * 126, "y" * 127, "z" * 300]) | st.text(max_size=8)
BLOBS = st.sampled_from([b"", b"batch", bytes(126), bytes(130), bytes(20_000)])


def values(node: Construct, name: str = "") -> st.SearchStrategy[Any]:
    """Values that survive a round trip through `node`: absent fields have their default."""
    formats = fixed_format(node)
    if name in LIMITED and formats is not None:
        return LIMITED[name]
    if formats == "?":
        return st.booleans()
    if formats == "16s":
        return st.just(bytes(16)) | st.binary(min_size=16, max_size=16)
    if formats == "H":
        return st.sampled_from([0, 1, 65535])
    if formats == "d":
        return st.floats(allow_nan=False)
    if formats is not None:
        half = 256 ** node.sizeof() // 2
        return st.sampled_from([0, -1, half - 1, -half]) | st.integers(-half, half - 1)
    if isinstance(node, Absent):
        return st.builds(fresh, st.just(node.default))
    if isinstance(node, TypedStruct):
        return _structs(node)
    if isinstance(node, Optional):
        return st.none() | _structs(node.present)
    assert isinstance(node, Lengthed)
    if isinstance(node, Array):
        present: st.SearchStrategy[Any] = st.lists(values(node.element), max_size=3)
    else:
        present = TEXTS if isinstance(node, Text) else BLOBS
    return st.none() | present if node.nullable else present


def _structs(node: TypedStruct) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for member in node.subcons:
        inner = unnamed(member)
        if isinstance(inner, Tags):
            for field, default in inner.fields.values():
                present = values(unnamed(field), field.name).filter(_says_something)
                fields[field.name] = st.builds(fresh, st.just(default)) | present
        else:
            fields[member.name] = values(inner, member.name)
    return st.builds(node.message, **fields)


def _says_something(value: Any) -> bool:
    """Whether Kafka would write a tagged struct: one that is all defaults it leaves out. Ours is
    left out as None and otherwise written, which every reader takes."""
    declared = getattr(type(value), "__wire__", None)
    return declared is None or any(
        getattr(value, name) != field.default for name, field in declared.fields.items()
    )
