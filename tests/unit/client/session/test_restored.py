"""A batch that another process has left: its bytes as they were, its records only to be split."""

from __future__ import annotations

import pytest
from minibroker.client.door.door import headers
from minibroker.client.produce.batch import ProducerBatch
from minibroker.client.session.leaving.restored import RestoredBatch
from minibroker.client.session.open_batch import OpenBatch
from minibroker.protocol.batch.header import read_header
from minibroker.protocol.batch.reading import records_in
from minibroker.protocol.codec.schema import ZERO_UUID
from minibroker.protocol.compression import Codec

PID, EPOCH, FIRST = 70, 2, 40
RECORDS: list[tuple[bytes | None, bytes | None, bytes, float]] = [
    (b"k", b"v", headers("h", [("n", b"1"), ("é", None)]), 1_000),
    (None, b"plain", b"", 1_005),
    (b"", None, b"", 900),
    (None, b"x" * 300, headers("h", [("n", "text")]), 2_000),
]


def journaled(codec: Codec) -> OpenBatch:
    batch = ProducerBatch("t", 3, codec, 0.0, room=10_000)
    for key, value, encoded, stamp in RECORDS:
        batch.append(key, value, encoded, stamp, 10)
    batch.seal(PID, EPOCH, FIRST)
    return OpenBatch(
        number=9,
        topic="t",
        topic_id=ZERO_UUID,
        partition=3,
        producer_id=PID,
        producer_epoch=EPOCH,
        base_sequence=FIRST,
        count=batch.count,
        leader_epoch=0,
        wire=batch.wire,
    )


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_its_bytes_are_those_of_the_journal(codec: Codec) -> None:
    opened = journaled(codec)
    batch = RestoredBatch(opened, 5.0)
    assert batch.wire is opened.wire
    assert (batch.count, batch.next_sequence) == (4, FIRST + 4)
    assert batch.is_unknown
    assert max(batch.timestamps) == 2_000


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_a_new_identity_changes_the_head_alone(codec: Codec) -> None:
    opened = journaled(codec)
    batch = RestoredBatch(opened, 5.0)
    batch.seal(PID + 1, 0, 7)
    before, after = read_header(opened.wire), read_header(batch.wire)
    assert records_in(batch.wire) == records_in(opened.wire)
    changed = {name for name in before._fields if getattr(before, name) != getattr(after, name)}
    assert changed == {"crc", "producer_id", "producer_epoch", "base_sequence"}


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_its_pieces_are_its_records_under_its_sequences(codec: Codec) -> None:
    opened = journaled(codec)
    pieces = RestoredBatch(opened, 5.0).split()
    read = [
        (each.key, each.value, each.headers, each.timestamp) for each in records_in(opened.wire)
    ]
    again = [
        (each.key, each.value, each.headers, each.timestamp)
        for piece in pieces
        for each in records_in(piece.wire)
    ]
    assert again == read
    heads = [read_header(piece.wire) for piece in pieces]
    assert [(each.producer_id, each.producer_epoch, each.base_sequence) for each in heads] == [
        (PID, EPOCH, FIRST),
        (PID, EPOCH, FIRST + 2),
    ]
