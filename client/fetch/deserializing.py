"""Keys and values as the application wants them: bytes, or what its own functions make of them.

Tests: tests/unit/client/fetch/test_fetcher.py
"""

from __future__ import annotations

from typing import Generic, cast

from ..errors import Fatal
from ..partitions import TopicPartition, name_of
from .position import ConsumerRecord, Deserializer, K, StoredRecord, V
from .unpacking import unreadable


class Deserializers(Generic[K, V]):
    """What is called with each key and each value; None leaves them bytes."""

    def __init__(self, key: Deserializer[K] | None, value: Deserializer[V] | None) -> None:
        self._key = key
        self._value = value

    def apply(self, stored: list[StoredRecord]) -> tuple[list[ConsumerRecord[K, V]], Fatal | None]:
        """The records up to the first that a deserializer refuses, and the refusal."""
        if self._key is None and self._value is None:
            return cast("list[ConsumerRecord[K, V]]", stored), None
        records: list[ConsumerRecord[K, V]] = []
        for record in stored:
            try:
                key = cast(K, record.key) if self._key is None else self._key(record.key)
                value = cast(V, record.value) if self._value is None else self._value(record.value)
            except Exception as error:  # noqa: BLE001  whatever the application's code raises
                place = TopicPartition(record.topic, record.partition)
                where = f"{name_of(place)} at offset {record.offset}"
                refusal = unreadable(where, f"the deserializer raised {error!r}")
                refusal.__cause__ = error
                return records, refusal
            records.append(
                ConsumerRecord(*record[:5], key, value, record.headers, record.leader_epoch)
            )
        return records, None
