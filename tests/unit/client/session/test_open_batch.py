"""What a batch of the journal says of itself."""

from minibroker.client.session.open_batch import NO_SEQUENCE, Floor, OpenBatch
from minibroker.protocol.codec.schema import ZERO_UUID


def test_last_sequence_wraps() -> None:
    batch = OpenBatch(1, "t", ZERO_UUID, 0, 7, 2, 2**31 - 2, 4, -1, b"")
    assert batch.last_sequence == 1
    assert batch.describe() == (
        "4 records for t-0 (producer id 7, epoch 2, sequences 2147483646 to 1)"
    )


def test_a_fresh_floor_knows_of_no_batch() -> None:
    floor = Floor("t", 3, 7, 0, offset=12)
    assert (floor.confirmed_sequence, floor.last_sequence) == (NO_SEQUENCE, NO_SEQUENCE)
    assert floor.place == ("t", 3)
