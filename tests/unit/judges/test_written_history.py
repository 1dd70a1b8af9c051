"""A history of transactions that went through files says what the one in memory says."""

from __future__ import annotations

from pathlib import Path

from minibroker.testing import (
    Acknowledged,
    Breach,
    Failed,
    Fate,
    Kept,
    TransactionHistory,
    transaction_findings,
)

from tests.crash.transactions.written import WrittenHistory, history_of, lines_of


def play(history: TransactionHistory, reader: TransactionHistory) -> None:
    """One of everything."""
    history.claim("p1", "app")
    history.granted("p1", 7, 0)
    history.begin("t1", "p1")
    history.send("t1", 0, b"a b'c")
    history.answered(b"a b'c", Acknowledged(0))
    history.send("t1", 1, b"d")
    history.answered(b"d", Failed(True))
    history.send(None, 1, b"e", "plain")
    history.answered(b"e", Acknowledged(-1))
    history.send("t1", 1, b"f")
    history.dropped(b"f")
    history.send_offset("t1", "g", 0, 5)
    history.offset_accepted("t1", "g", 0, 5)
    history.ask("t1", Fate.COMMITTED)
    history.tell("t1", Fate.COMMITTED)
    reader.read(0, 0, 1, [Kept(0, b"a b'c")], is_committed=True)
    history.overdue("t1")
    history.claim("p2", "app", after="p1")
    history.refused("p2")
    history.fenced("p1")


def test_what_is_written_is_read_in_the_order_of_time(tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "other"]
    play(*(WrittenHistory(str(path)) for path in paths))
    with paths[0].open("a") as file:
        file.write("123 begin ('half a li")
    in_memory = TransactionHistory()
    play(in_memory, in_memory)
    read = history_of(lines_of(reversed(paths)))
    assert read.claims == in_memory.claims
    assert read.transactions == in_memory.transactions
    assert read.records == in_memory.records
    assert read.offsets == in_memory.offsets
    assert read.reads == in_memory.reads
    assert read.fenced_at == in_memory.fenced_at
    assert read.identities == in_memory.identities


def test_a_file_that_is_not_there_yet_says_nothing(tmp_path: Path) -> None:
    assert lines_of([tmp_path / "none"]) == []


def test_what_is_wrong_is_found_in_it(tmp_path: Path) -> None:
    written = WrittenHistory(str(tmp_path / "one"))
    play(written, written)
    kept = {0: [Kept(0, b"a b'c")], 1: [Kept(0, b"e")]}
    history = history_of(lines_of([tmp_path / "one"]))
    found = transaction_findings(history, committed=kept, stored=kept, offsets={("g", 0): -1})
    assert Breach.OFFSETS_APART in [each.broken for each in found]
