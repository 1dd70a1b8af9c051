"""Between our messages and those of kio, a foreign implementation made from Kafka's schemas."""

from __future__ import annotations

import dataclasses
import io
import typing
import uuid
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from minibroker.protocol.codec.schema import api_of

from tests.support.records.messages import Versioned

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def kio_type(which: Versioned) -> Any:
    """kio's class for a message at one version."""
    name = api_of(which.message).module_name
    side = "request" if which.message.__name__.endswith("Request") else "response"
    module = import_module(f"kio.schema.{name}.v{which.version}.{side}")
    return getattr(module, which.message.__name__)


def kio_bytes(entity: Any) -> bytes:
    """A kio message, written by kio."""
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


def kio_read(cls: Any, data: bytes) -> Any:
    """A message of kio's class, read by kio from all of `data`."""
    entity, size = entity_reader(cls)(data, 0)
    assert size == len(data)
    return entity


def to_kio(message: Any, cls: Any) -> Any:
    """Our message as one of kio's class, which has only the fields of its version."""
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        name = field.name if hasattr(message, field.name) else f"{field.name}_ms"
        value = getattr(message, name)
        if value is None and "tag" in field.metadata and element_type(field) is not None:
            continue  # a tagged struct that is left out: kio's default says the same
        arguments[field.name] = _value_to_kio(value, field)
    return cls(**arguments)


def element_type(field: dataclasses.Field[Any]) -> Any:
    """The kio class that a field holds one or an array of; None for numbers, strings and such."""
    pending = [field.type]
    while pending:
        found = pending.pop()
        if dataclasses.is_dataclass(found):
            return found
        pending += typing.get_args(found)
    return None


def _value_to_kio(value: Any, field: dataclasses.Field[Any]) -> Any:
    kind = field.metadata.get("kafka_type", "")
    inner = element_type(field)
    if isinstance(value, list):
        return tuple(to_kio(each, inner) if inner else each for each in value)
    if kind == "datetime_i64":
        return None if value == -1 else EPOCH + timedelta(milliseconds=value)
    if value is None:
        return None
    if inner is not None:
        return to_kio(value, inner)
    if kind == "error_code":
        return ErrorCode(value)
    if kind.startswith("timedelta"):
        return timedelta(milliseconds=value)
    if kind == "uuid":
        return uuid.UUID(bytes=value) if any(value) else None
    return value
