"""The records of `__transaction_state`: what Apache Kafka 4.3.1 wrote, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from minibroker.broker.transactions.records import (
    PartitionsSchema,
    TransactionLogValue,
    TransactionRecord,
    UnknownRecord,
    decode,
    encode,
)
from minibroker.protocol.errors import DecodeError, EncodeError

GOLDEN = Path(__file__).parents[3] / "golden" / "transactions" / "transaction_state.txt"


class Line(NamedTuple):
    key: bytes
    value: bytes | None
    shown: dict[str, Any] | None  # None: <DELETE>


def golden() -> list[Line]:
    lines = []
    for text in GOLDEN.read_text(encoding="utf-8").splitlines()[1:]:
        key, value, shown = text.split(" ", 2)
        payload = None if shown == "<DELETE>" else json.loads(shown)
        lines.append(
            Line(bytes.fromhex(key), None if value == "-" else bytes.fromhex(value), payload)
        )
    return lines


LINES = golden()
VALUE = TransactionLogValue(
    producer_id=7,
    producer_epoch=3,
    transaction_timeout_ms=60_000,
    transaction_status=1,
    transaction_partitions=[PartitionsSchema(topic="t", partition_ids=[1, 0])],
    transaction_last_update_timestamp_ms=11,
    transaction_start_timestamp_ms=10,
)
KEY, BYTES = encode(TransactionRecord("id", VALUE), 1)


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_record_of_kafka_is_read_and_written_back_alike(line: Line) -> None:
    record = decode(line.key, line.value)
    version = 1 if line.shown is None else int(line.shown["version"])
    assert encode(record, version) == (line.key, line.value)
    if line.shown is None:
        assert record.value is None
        return
    assert record.value is not None
    for name, shown in line.shown["data"].items():
        assert shown == as_shown(record.value, name), name


def as_shown(value: TransactionLogValue, name: str) -> Any:
    """A field as Kafka's tool shows it."""
    if name == "transactionPartitions":
        partitions = value.transaction_partitions
        return partitions and [
            {"topic": each.topic, "partitionIds": each.partition_ids} for each in partitions
        ]
    snake = "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
    return getattr(value, snake)


def test_every_kind_of_record_is_among_them() -> None:
    shown = [line.shown for line in LINES if line.shown is not None]
    assert {each["data"]["transactionStatus"] for each in shown} == set(range(6))
    assert {each["version"] for each in shown} == {"0", "1"}
    assert any("nextProducerId" in each["data"] for each in shown)
    assert any(line.shown is None for line in LINES)


def test_an_older_value_cannot_say_what_a_newer_one_can() -> None:
    for field in ("next_producer_id", "client_transaction_version"):
        value = decode(KEY, BYTES).value
        setattr(value, field, 2)
        with pytest.raises(EncodeError):
            encode(TransactionRecord("id", value), 0)


@pytest.mark.parametrize(
    ("key", "value"), [(b"\0\1" + KEY[2:], BYTES), (KEY, b"\0\2" + (BYTES or b"")[2:])]
)
def test_what_something_newer_wrote_is_not_guessed(key: bytes, value: bytes) -> None:
    with pytest.raises(UnknownRecord, match="newer"):
        decode(key, value)


def test_a_transaction_of_two_phases_is_not_taken_for_a_plain_one() -> None:
    value = decode(KEY, BYTES).value
    assert value is not None
    value.next_producer_epoch = 4
    with pytest.raises(UnknownRecord, match="two phases"):
        decode(*encode(TransactionRecord("id", value), 1))


@pytest.mark.parametrize("length", range(2, len(KEY)))
def test_a_key_cut_short_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        decode(KEY[:length], None)


@pytest.mark.parametrize("length", range(2, len(BYTES or b"")))
def test_a_value_cut_short_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        decode(KEY, (BYTES or b"")[:length])
