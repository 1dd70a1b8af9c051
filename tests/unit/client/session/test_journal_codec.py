"""Entries as bytes: read back as they were, and nothing else is taken for them."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.client.session.entries import Cut, Entry
from minibroker.client.session.journal_codec import KINDS, CodecError, decode, encode
from minibroker.client.session.journal_state import JournalState

from tests.support.sessions.journaled import DrawnSession, batch, begun


def drawn(seed: int, count: int) -> list[Entry]:
    """Entries of every kind that a session appends."""
    state = JournalState()
    session = DrawnSession(Random(seed), state, wire_bytes_max=20)
    entries: list[Entry] = []
    for _ in range(count):
        for entry in session.group():
            state.apply(entry)
            entries.append(entry)
    return [*entries, state.snapshot()]


def test_every_kind_is_read_back_as_it_was() -> None:
    entries = [each for seed in range(5) for each in drawn(seed, 60)]
    assert {type(each) for each in entries} == {*KINDS}
    assert decode(b"".join(encode(entries))) == entries


@pytest.mark.parametrize(
    "position", [0, -1, 127, 128, -128, -129, 2**64, "", "a\ud800", b"", b"\0"]
)
def test_positions(position: int | str | bytes) -> None:
    (cut,) = decode(b"".join(encode([Cut({None: position, "": position}, ())])))
    assert isinstance(cut, Cut)
    assert cut.marks == {None: position, "": position}
    assert type(cut.marks[None]) is type(position)


def test_what_is_cut_off_is_refused() -> None:
    for entry in (*begun(), Cut({"file": 3}, (batch(0, wire=b"wire"),)), drawn(3, 80)[-1]):
        body = b"".join(encode([entry]))
        for length in range(1, len(body)):
            with pytest.raises(CodecError):
                decode(body[:length])


def test_nothing_else_is_taken_for_entries() -> None:
    random = Random(1)
    for _ in range(3_000):
        body = random.randbytes(random.randrange(60))
        try:
            decode(body)
        except CodecError:
            continue


def test_what_is_of_no_known_form_is_refused() -> None:
    with pytest.raises(CodecError, match="kind 99"):
        decode(bytes([99]))
    with pytest.raises(CodecError, match="form 3"):
        decode(bytes.fromhex("04 00000001 00 03 00000000 00000000"))
    with pytest.raises(CodecError, match="longer than its entry"):
        decode(bytes.fromhex("09 ffffffff"))
    with pytest.raises(CodecError, match="UTF-8"):
        decode(bytes.fromhex("02 0000000000000000 0000 01 00000001 ff"))
