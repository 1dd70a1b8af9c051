"""What a client must have done, judged by what is stored. Pure; the texts go into the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from minibroker.protocol.batch.header import BatchHeader
from minibroker.protocol.compression import Codec
from minibroker.testing.stored import Stored

from tests.interop.matrix.records import Written

WORTH_COMPRESSING_BYTES = 1_000  # below it clients may leave a batch as it is
SHOWN_BYTES = 40


def assert_equal(found: Sequence[Written], expected: Sequence[Written], what: str) -> None:
    """The same records in the same order; `what` begins the text: "stored", "X read"."""
    for index, (one, other) in enumerate(zip(found, expected, strict=False)):
        assert one == other, f"{what} record {index} as {_short(one)}, not {_short(other)}"
    assert len(found) == len(expected), f"{what} {len(found)} records, not {len(expected)}"


def assert_once_in_order(
    stored: Sequence[Stored], expected: Sequence[Written], acknowledged: Sequence[int] | None
) -> None:
    """Each record is stored once, in order, without holes, at the offset it was acknowledged at.

    Args:
        acknowledged: an offset a record; None if the client does not tell.
    """
    found = [Written(each.key, each.value, tuple(each.headers)) for each in stored]
    assert_equal(found, expected, "stored")
    wanted = list(range(len(expected)))
    assert [each.offset for each in stored] == wanted, "the stored offsets have holes"
    assert acknowledged is None or acknowledged == wanted, "stored at other offsets than told"


def assert_sequences(stored: Iterable[Stored], *, is_idempotent: bool) -> None:
    """An idempotent client's sequences run from 0 for each producer id; a plain one has none."""
    sequences = defaultdict(list)
    for each in stored:
        sequences[each.producer_id].append(each.sequence)
    assert (-1 not in sequences) == is_idempotent, "it should be idempotent, or should not"
    for producer_id, found in sequences.items():
        has_holes = producer_id != -1 and found != list(range(len(found)))
        assert not has_holes, f"the sequences of producer {producer_id} have holes"


def assert_codec(headers: Iterable[BatchHeader], codec: str) -> None:
    """Every batch worth compressing has the codec in its stored bits, and no batch another."""
    found = {
        Codec(header.codec).name.lower()
        for header in headers
        if header.codec != Codec.NONE or header.size_bytes >= WORTH_COMPRESSING_BYTES
    }
    assert found == {codec}, f"stored with {sorted(found)}, not {codec}"


def _short(record: Written) -> str:
    value = record.value
    if value is not None and len(value) > SHOWN_BYTES:
        return f"{record._replace(value=value[:SHOWN_BYTES])} ({len(value)} bytes)"
    return str(record)
