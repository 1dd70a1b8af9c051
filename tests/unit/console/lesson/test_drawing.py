"""The lesson's drawings: what is in them, for eyes and screen readers, and no markup of others."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from minibroker.console.lesson.drawing import drawn, log, producer, table, wire
from minibroker.console.lesson.moves import Entry, Mode, Pending, Situation
from minibroker.console.lesson.telling import Attempt, Fate, Row, Shown, claims
from minibroker.testing.stored import Stored

PID = 7000


def stored(offset: int, value: str, sequence: int, pid: int = PID) -> Stored:
    epoch = 0 if pid >= 0 else -1
    return Stored(0, offset, None, value.encode(), (), 0, pid, epoch, sequence)


def attempt(value: str, verdict: str = "appended", fate: Fate = Fate.DELIVERED) -> Attempt:
    return Attempt(value, PID, 0, 1, verdict, 1, "because", fate)


def shown(**changed: object) -> Shown:
    facts: dict[str, object] = {
        "situation": Situation(Mode.IDEMPOTENT, sent=2, log=(Entry("x"), Entry("y"))),
        "move": None,
        "attempts": [attempt("y", fate=Fate.LOST), attempt("y", "duplicate")],
        "asked": (),
        "log": [stored(0, "x", 0), stored(1, "y", 1)],
        "table": [Row(PID, 0, ((0, 0), (1, 1)))],
        "words": (),
        "facts": {},
    }
    return Shown(**{**facts, **changed})  # type: ignore[arg-type]


def test_a_recognised_retry() -> None:
    said = [each.attrib["aria-label"] for each in ET.fromstring(f"<a>{drawn(shown())}</a>")]
    assert said == [
        f"Producer: kind idempotent; PID {PID}; epoch 0; last sequence 1; waits for nothing",
        "Wire: y: stored, answer lost; y: recognised, answer delivered",
        "Log: x, y",
        f"Sequence table: PID {PID}, epoch 0, last sequence 1",
    ]


def test_what_is_there_twice_stands_out_and_what_is_unseen_too() -> None:
    records = [stored(0, "x", -1, -1), stored(1, "y", -1, -1), stored(2, "y", -1, -1)]
    picture = log(shown(log=records))
    assert picture.count('class="cell doubled"') == 2
    assert picture.count('class="cell"') == 1
    aborted = Stored(0, 0, None, b"x", (), 0, PID, 0, 0, "aborted")
    assert 'class="cell aborted"' in log(shown(log=[aborted]))


def test_a_broker_that_is_gone() -> None:
    gone = shown(situation=Situation(is_broker_up=False, pending=Pending("z"), sent=3))
    assert "the answer to z" in producer(gone)
    assert "no broker at this end" in wire(gone)
    assert "gone with the process" in table(gone)
    assert "data-pid" not in table(gone)


def test_a_batch_bears_who_sent_it_or_nothing() -> None:
    assert f"y · PID {PID} · epoch 0 · sequence 1" in wire(shown(attempts=[attempt("y")]))
    plain = Attempt("y", -1, -1, -1, "appended", 1, "because", Fate.DELIVERED)
    assert "y · no PID, no sequence" in wire(shown(attempts=[plain]))


@pytest.mark.parametrize("fate", Fate)
def test_each_fate_has_an_arrow_of_its_own(fate: Fate) -> None:
    others = {each: wire(shown(attempts=[attempt("y", fate=each)])) for each in Fate}
    assert sum(picture == others[fate] for picture in others.values()) == 1


def test_a_value_is_text() -> None:
    records = [stored(0, "<script>", 0)]
    picture = drawn(shown(log=records, attempts=[attempt('"><b')]))
    ET.fromstring(f"<a>{picture}</a>")
    assert "<script" not in picture
    assert "<b" not in picture


def test_claims_are_held_against_what_was_read() -> None:
    situation = Situation(log=(Entry("x"), Entry("y")))
    read = [stored(0, "x", 0), stored(1, "y", 1)]
    good = claims(situation, read, [Row(PID, 0, ((0, 0), (1, 1)))])
    assert good == {
        "the log, read back, is x, y": True,
        "nothing is stored twice": True,
        f"what the table has of PID {PID} are its newest batches in the log": True,
    }
    doubled = [*read, stored(2, "y", 1)]
    table = [Row(PID, 0, ((0, 0), (1, 1)))]
    assert [*claims(situation, doubled, table).values()] == [False, False, False]
    for batches in ((), ((1, 1),), ((0, 0), (1, 2)), ((0, 0), (1, 1), (2, 2))):
        assert claims(situation, read, [Row(PID, 0, batches)])[[*good][-1]] is False


def test_of_a_broker_that_is_gone_nothing_is_claimed_but_what_was_read() -> None:
    situation = Situation(is_broker_up=False, log=(Entry("x"),))
    said = claims(situation, [stored(0, "x", 0)], [Row(PID, 0, ((0, 0),))])
    assert said == {
        "the log, as it was read last, is x": True,
        "nothing is stored twice": True,
    }
    assert claims(Situation(), (), ()) == {"the log, read back, is empty": True}


def test_five_batches_are_known_of_more() -> None:
    read = [stored(each, "x", each) for each in range(7)]
    newest = tuple((each, each) for each in range(2, 7))
    (*_, (_, is_so)) = claims(Situation(), read, [Row(PID, 0, newest)]).items()
    assert is_so
