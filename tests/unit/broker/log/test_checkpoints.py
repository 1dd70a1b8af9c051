"""The files beside the logs: what they say, and that they say nothing once they are damaged."""

from __future__ import annotations

import pytest
from minibroker.broker.log import checkpoints
from minibroker.broker.log.checkpoints import (
    RecoveryPoints,
    Stopped,
    clean_stop,
    decode_points,
    key_parts,
    log_key,
    read_clean_stop,
)
from minibroker.broker.log.summary import IndexSums, Summary, decode, encode
from minibroker.broker.storage.names import RECOVERY_POINTS
from minibroker.broker.storage.port import Storage, StorageError

A, B, C = log_key("a-0", bytes(16)), log_key("b-0", None), log_key("c-11", b"c" * 16)
SUMMARY = Summary(7, 700, 600, 1, 2, 3, IndexSums(1, 2**32 - 1, 3, 4), ((0, 0), (3, 5)))


def warned(storage: Storage) -> tuple[RecoveryPoints, list[str]]:
    warnings: list[str] = []
    return RecoveryPoints(storage, warnings.append), warnings


def test_points_are_there_after_kill_9_without_any_flush(storage: Storage) -> None:
    points, _ = warned(storage)
    assert points.of(A) is None, "nothing is known without the file"
    points.begin({A: 5})
    points.note([(A, 9), (B, 4)])
    points.note([(B, 6)])
    points.close()
    again, warnings = warned(storage)
    assert (again.of(A), again.of(B), again.of(C)) == (9, 6, 0)
    assert not warnings


def test_a_journal_cut_anywhere_gives_points_that_were_true_once(storage: Storage) -> None:
    points, _ = warned(storage)
    points.begin({A: 1})
    begun = len(storage.read_bytes(RECOVERY_POINTS))
    for offset in range(2, 9):
        points.note([(A, offset), (B, offset * 10)])
    data = storage.read_bytes(RECOVERY_POINTS)
    before = 0
    for end in range(begun, len(data) + 1):
        found = decode_points(data[:end])
        assert found is not None
        assert before <= found[A] <= 8
        assert found.get(B, 0) in (found[A] * 10, (found[A] - 1) * 10, 0)
        before = found[A]
    assert before == 8


def test_a_flipped_bit_in_the_journal_never_makes_a_point_newer(storage: Storage) -> None:
    points, _ = warned(storage)
    points.begin({A: 1})
    for offset in range(2, 9):
        points.note([(A, offset)])
    data = bytearray(storage.read_bytes(RECOVERY_POINTS))
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        found = decode_points(bytes(data))
        assert found is None or found.get(A, 0) <= 8
        assert found is None or set(found) <= {A}
        data[bit // 8] ^= 1 << bit % 8


def test_a_long_journal_is_written_anew(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_REWRITE_BYTES", 100)
    points, _ = warned(storage)
    points.begin({})
    for offset in range(500):
        points.note([(A, offset), (C, 2 * offset)])
    points.close()
    assert len(storage.read_bytes(RECOVERY_POINTS)) < 100 + 400 + 200
    again, _ = warned(storage)
    assert (again.of(A), again.of(C)) == (499, 998)


def test_numbers_are_not_mistaken_when_the_journal_cannot_be_written_anew(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _ = warned(storage)
    points.begin({A: 1, B: 2})

    def full(path: str, data: bytes) -> None:
        raise StorageError(path, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "replace", full)
        with pytest.raises(StorageError):
            points.begin({B: 5, A: 6})
    points.note([(A, 7)])
    points.close()
    again, _ = warned(storage)
    assert (again.of(A), again.of(B)) == (7, 2)


def test_a_damaged_journal_says_so_and_nothing_else(storage: Storage) -> None:
    storage.replace(RECOVERY_POINTS, b"\0" * 100)
    points, warnings = warned(storage)
    assert points.of(A) is None
    assert warnings == ["recovery-points is damaged: how far logs had been flushed is not known"]


def test_keys_tell_topics_of_one_name_apart() -> None:
    assert key_parts(A) == ("a-0", bytes(16))
    assert key_parts(B) == ("b-0", b"")
    assert log_key("a-0", bytes(16)) != log_key("a-0", b"x" * 16)


def test_the_mark_of_a_clean_stop_is_read_or_worth_nothing() -> None:
    stopped = {A: Stopped(SUMMARY, remembers_nothing=True), C: Stopped(SUMMARY, False)}
    data = clean_stop(stopped)
    assert read_clean_stop(data) == stopped
    for end in range(len(data)):
        assert read_clean_stop(data[:end]) is None
    for position in range(len(data)):
        damaged = data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :]
        assert read_clean_stop(damaged) is None


def test_a_summary_is_read_or_worth_nothing() -> None:
    data = encode(SUMMARY)
    assert decode(data) == SUMMARY
    for end in range(len(data)):
        assert decode(data[:end]) is None
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert decode(bytes(damaged)) is None
