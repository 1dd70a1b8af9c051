"""What `minibroker probe` plays: rows of steps, Apache Kafka's answers, and ours where they differ.

Kafka's answers are those of version 4.3.1, one KRaft node; tests/interop/answers/test_probe.py asks
it again. Each row has a partition and a producer id of its own, so rows stand alone and offsets
start at 0. The words of the answers are those of steps.py, one for each step. Transactions have a
file of their own (transaction_rows.py).
Tests: tests/system/commands/test_probe.py
"""

from __future__ import annotations

from ...protocol.batch.header import (
    CODEC_BITS,
    CONTROL_BIT,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
)
from ...protocol.batch.writing import resealed
from ...protocol.compression import Codec
from ...protocol.sequence import SEQUENCE_MAX
from .steps import (
    SMALL_BYTES,
    RawStep,
    Row,
    Scene,
    append_time,
    auto_create,
    create,
    elsewhere,
    entries,
    listed,
    log_end,
    no_partition,
    no_topic,
    plain,
    plus,
    produce,
    small,
    stored,
    stranger,
    until_not,
)
from .transaction_rows import TRANSACTIONS, TRANSACTIONS_2

HOUR_MS = 3_600_000
TOPIC_NAME_MAX = 249


END = log_end()
THREE = produce(0, 3)
THREE_AND_FOUR_MORE = (THREE, produce(3), produce(4), produce(5), produce(6))
FIVE = tuple(produce(sequence) for sequence in range(5))
FIVE_STORED = "0@0 0@1 0@2 0@3 0@4"

SEQUENCES = (
    Row("seq 0, 3 records", (THREE, END), "0@0 end=3"),
    Row("seq 0, 3 records, twice (a lost ack)", (THREE, THREE, END), "0@0 0@0 end=3"),
    Row(
        "seq 0 (3 records), 3, 4, 5, 6, and 3 again",
        (*THREE_AND_FOUR_MORE, produce(3), END),
        "0@0 0@3 0@4 0@5 0@6 0@3 end=7",
    ),
    Row(
        "the same, 7, 8, and 0 again: more than five batches ago",
        (*THREE_AND_FOUR_MORE, produce(7), produce(8), THREE, END),
        "0@0 0@3 0@4 0@5 0@6 0@7 0@8 45 end=9",
    ),
    Row("seq 0 to 4, then each again", (*FIVE, *FIVE, END), f"{FIVE_STORED} {FIVE_STORED} end=5"),
    Row(
        "seq 0 to 4, 5, then 0 and 1 again",
        (*FIVE, produce(5), produce(0), produce(1), END),
        f"{FIVE_STORED} 0@5 45 0@1 end=6",
    ),
    Row("seq 0, then 100: a gap", (produce(0), produce(100), END), "0@0 45 end=1"),
    Row(
        "seq 0 (3 records), then 0 (2), 1 (3), 0 (5)",
        (THREE, produce(0, 2), produce(1, 3), produce(0, 5), END),
        "0@0 45 45 45 end=3",
    ),
    Row("seq 0, then epoch 1 seq 5", (produce(0), produce(5, epoch=1), END), "0@0 45 end=1"),
    Row("seq 0, then epoch 1 seq 0", (produce(0), produce(0, epoch=1), END), "0@0 0@1 end=2"),
    Row(
        "epoch 1 seq 0, then epoch 0 seq 0, 1, 7",
        (produce(0, epoch=1), produce(0), produce(1), produce(7), END),
        "0@0 47 47 47 end=1",
    ),
    Row("seq 0, then epoch -1 seq 1", (produce(0), produce(1, epoch=-1), END), "0@0 47 end=1"),
    Row("a producer id with seq -1", (produce(-1), END), "87 end=0"),
    Row("a producer id never handed out, seq 0", (produce(0, who=stranger), END), "0@0 end=1"),
    Row(
        "a producer id never handed out, seq 7, 8, 7 again, 3",
        (*(produce(each, who=stranger) for each in (7, 8, 7, 3)), END),
        "0@0 0@1 0@0 45 end=2",
    ),
    Row(
        "epoch 5 seq 3, epoch 4 seq 4, epoch 6 seq 0, epoch 5 seq 4",
        (
            produce(3, epoch=5),
            produce(4, epoch=4),
            produce(0, epoch=6),
            produce(4, epoch=5),
            END,
        ),
        "0@0 47 0@1 47 end=2",
    ),
    Row(
        "seq 2147483646, 2147483647, 0",
        (produce(SEQUENCE_MAX - 1), produce(SEQUENCE_MAX), produce(0), END),
        "0@0 0@1 0@2 end=3",
    ),
    Row(
        "seq 2147483646 (4 records), again, then 2",
        (produce(SEQUENCE_MAX - 1, 4), produce(SEQUENCE_MAX - 1, 4), produce(2), END),
        "0@0 0@0 0@4 end=5",
    ),
    Row(
        "seq 0, epoch 1 seq 0; in another partition epoch 0 seq 0, 1",
        (
            produce(0),
            produce(0, epoch=1),
            produce(0, where=elsewhere),
            produce(1, where=elsewhere),
            END,
        ),
        "0@0 0@1 0@0 0@1 end=2",
    ),
    Row(
        "log_append_time of seq 0, and of seq 0 again",
        (produce(0, word=append_time), produce(0, word=append_time), END),
        "-1 max_timestamp end=1",
    ),
)


def _cut(batch: bytes) -> bytes:
    return batch[:-3]


def _wrong_crc(batch: bytes) -> bytes:
    return batch[:-1] + bytes([batch[-1] ^ 1])


def _zeros(_: bytes) -> bytes:
    return bytes(100)


def _nothing(_: bytes) -> bytes:
    return b""


def _twice(batch: bytes) -> bytes:
    return batch + batch


def _no_records(batch: bytes) -> bytes:
    return resealed(batch[:HEADER_BYTES] + b"\xff" * (len(batch) - HEADER_BYTES))


def _left_over(batch: bytes) -> bytes:
    return plus({"batch_length": 3})(batch + bytes(3))


def _two_hours_ahead(batch: bytes) -> bytes:
    return plus({"base_timestamp": 2 * HOUR_MS, "max_timestamp": 2 * HOUR_MS})(batch)


MORE_RECORDS = plus({"records_count": 1})
MORE_OFFSETS = plus({"last_offset_delta": 1})
MORE_OF_BOTH = plus({"records_count": 1, "last_offset_delta": 1})


def _max_timestamp(header: BatchHeader, scene: Scene) -> str:
    return "true" if header.max_timestamp == scene.now_ms else "false"


def _timestamp_type(header: BatchHeader, _: Scene) -> str:
    return "LogAppendTime" if header.attributes & LOG_APPEND_TIME_BIT else "CreateTime"


BAD_INPUT = (
    Row("a wrong CRC", (plain(_wrong_crc), END), "2 end=0"),
    Row("100 zero bytes instead of a batch", (plain(_zeros), END), "2 end=0"),
    Row("magic 1", (plain(plus({"magic": -1})), END), "87 end=0"),
    Row(
        "one more in records_count, in last_offset_delta, in both",
        (plain(MORE_RECORDS), plain(MORE_OFFSETS), plain(MORE_OF_BOTH), END),
        "87 87 87 end=0",
    ),
    Row("bytes left over after the last record", (plain(_left_over), END), "87 end=0"),
    Row("a base_offset of 5", (plain(plus({"base_offset": 5})), END), "87 end=0"),
    Row(
        "bytes that are no records, the CRC right",
        (plain(_no_records), END),
        "-1 end=0",
        ours="87 end=0",
        deviation="no-records",
    ),
    Row(
        "a false max_timestamp, and what is stored",
        (plain(plus({"max_timestamp": 1000})), stored(_max_timestamp), END),
        "0@0 true end=2",
    ),
    Row("a timestamp 2 hours ahead", (plain(_two_hours_ahead), END), "32 end=0"),
    Row(
        "the LogAppendTime bit, and what is stored",
        (plain(plus({"attributes": LOG_APPEND_TIME_BIT})), stored(_timestamp_type), END),
        "0@0 CreateTime end=2",
    ),
    Row(
        "a producer id without state, epoch -1, twice",
        (produce(0, epoch=-1), produce(0, epoch=-1), END),
        "0@0 0@0 end=1",
    ),
    Row(
        "a topic with segment.bytes=1000, with internal.segment.bytes=1000",
        (
            create("segment", {"segment.bytes": "1000"}),
            create("internal-segment", {"internal.segment.bytes": "1000"}),
        ),
        "40 0",
    ),
    Row(
        "two batches for one partition, without and with a producer id",
        (plain(_twice), produce(0, distort=_twice), END),
        "87 87 end=0",
    ),
    Row(
        "a partition listed twice in a request",
        (produce(0, times=2, word=entries),),
        "entries=1",
    ),
    Row("empty records", (plain(_nothing), END), "87 end=0"),
    Row("a batch cut 3 bytes short", (plain(_cut), END), "87 end=0"),
    Row("a control batch", (plain(plus({"attributes": CONTROL_BIT})), END), "87 end=0"),
    Row(
        "a transactional batch, no transactional id",
        (produce(0, distort=plus({"attributes": TRANSACTIONAL_BIT})), END),
        "53 end=0",
    ),
    Row(
        "compression code 7",
        (plain(plus({"attributes": CODEC_BITS})), END),
        "-1 end=0",
        ours="87 end=0",
        deviation="compression-code",
    ),
    Row(
        "a batch marked as gzip that holds none",
        (plain(plus({"attributes": Codec.GZIP})), END),
        "-1 end=0",
        ours="87 end=0",
        deviation="compressed-content",
    ),
    Row(
        f"a batch over a max.message.bytes of {SMALL_BYTES}",
        (plain(count=SMALL_BYTES, where=small),),
        "10",
    ),
    Row("acks 2", (plain(acks=2), END), "21 end=0"),
    Row(
        "an unknown topic, an unknown partition",
        (plain(where=no_topic), plain(where=no_partition)),
        "3 3",
    ),
)


def _with_a_space(prefix: str) -> str:
    return prefix + "with a space"


def _dots(_: str) -> str:
    return ".."


def _too_long(prefix: str) -> str:
    return prefix.ljust(TOPIC_NAME_MAX + 1, "x")


def _empty(_: str) -> str:
    return ""


def _good(prefix: str) -> str:
    return prefix + "auto-created"


TOPIC_NAMES = (
    Row(
        "metadata, may create: a name with a space, `..`, 250 characters, none",
        (
            auto_create(_with_a_space),
            auto_create(_dots),
            auto_create(_too_long),
            auto_create(_empty),
            listed(_with_a_space),
            listed(_too_long),
        ),
        "17 17 17 17 absent absent",
    ),
    Row(
        "metadata, may create: a new good name, and soon after",
        (auto_create(_good), until_not(auto_create(_good), "3")),
        "3 0",
        ours="0 0",
        deviation="auto-creation",
    ),
)


def _frame(body: bytes) -> RawStep:
    return RawStep(len(body).to_bytes(4, "big", signed=True) + body)


NO_CLIENT_ID = b"\xff\xff"
CORRELATION_ID = bytes(4)
UNKNOWN_API = (12_345).to_bytes(2, "big") + bytes(2) + CORRELATION_ID + NO_CLIENT_ID
METADATA_V99 = bytes([0, 3, 0, 99]) + CORRELATION_ID + NO_CLIENT_ID + bytes(1)

FRAMES = (
    Row("a frame of length -1", (RawStep(b"\xff" * 4),), "closed"),
    Row("a frame of length 2147483647", (RawStep(b"\x7f\xff\xff\xff"),), "closed"),
    Row("an unknown API key", (_frame(UNKNOWN_API),), "closed"),
    Row("an unknown version of Metadata", (_frame(METADATA_V99),), "closed"),
    Row("an HTTP request", (RawStep(b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n"),), "closed"),
    Row("a frame of 4 bytes", (_frame(bytes(4)),), "closed"),
)

SECTIONS = {
    "Sequences of an idempotent producer": SEQUENCES,
    "Transactions": TRANSACTIONS,
    "Transactions of clients since KIP-890": TRANSACTIONS_2,
    "Bad input": BAD_INPUT,
    "Topic names": TOPIC_NAMES,
    "Frames that are no requests": FRAMES,
}
