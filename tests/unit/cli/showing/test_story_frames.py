"""The pictures of the story: what stands where, what is lost, and how wide they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from minibroker.cli.showing.story_frames import (
    COLUMNS,
    Fate,
    Frame,
    Mark,
    heading,
    in_ascii,
    log_table,
    mark_of,
    sentence,
    stages,
    whole,
)
from minibroker.testing.stored import Stored


def stored(offset: int, value: str, producer_id: int = 7) -> Stored:
    return Stored(
        partition=0,
        offset=offset,
        key=None,
        value=value.encode(),
        headers=(),
        timestamp=0,
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        sequence=offset if producer_id >= 0 else -1,
    )


X, Y = stored(0, "x"), stored(1, "y")
FRAME = Frame(
    value="y",
    partition=0,
    producer_id=7,
    sequence=1,
    before=[X],
    after=[X, Y],
    answer="ack, offset 1",
    fate=Fate.DELIVERED,
    words="sequence 1 is the next: stored at offset 1",
)


def test_a_whole_frame_shows_producer_wire_and_log() -> None:
    assert whole(FRAME) == "\n".join(
        (
            "                                             partition 0",
            " ┌──────────┐                                ┌───────┬───────┐",
            " │ producer │ ── y, sequence 1 ────────────▶ │   x   │   y   │",
            " │ PID …007 │ ◀──────────── ack, offset 1 ── │ seq 0 │ seq 1 │",
            " └──────────┘                                └── 0 ──┴── 1 ──┘",
            "   sequence 1 is the next: stored at offset 1",
        )
    )


@pytest.mark.parametrize(
    ("fate", "answer", "line"),
    [
        (
            Fate.LOST,
            "ack, offset 1",
            " │ PID …007 │          ✗ ── ack, offset 1 ── │ seq 0 │ seq 1 │",
        ),
        (
            Fate.UNHEARD,
            "ack, offset 1",
            " │ PID …007 │ ✗ ─────────── ack, offset 1 ── │ seq 0 │ seq 1 │",
        ),
        (
            Fate.NEVER_SENT,
            "kill -9",
            " │ PID …007 │                      ✗ kill -9 │ seq 0 │ seq 1 │",
        ),
    ],
)
def test_an_answer_ends_where_it_was_lost(fate: Fate, answer: str, line: str) -> None:
    drawn = whole(replace(FRAME, fate=fate, answer=answer)).splitlines()
    assert drawn[3] == line
    assert ("✗" in drawn[2]) is (fate is Fate.UNHEARD), "only a killed producer is crossed out"


def test_without_a_producer_id_no_sequence_is_shown() -> None:
    plain = [stored(0, "x", -1)]
    drawn = whole(replace(FRAME, producer_id=-1, sequence=0, before=[], after=plain))
    assert "no PID" in drawn
    assert "seq " not in drawn
    assert ", sequence" not in drawn


def test_the_log_changes_when_the_request_has_arrived_and_before_the_answer_leaves() -> None:
    drawn = [stage.splitlines() for stage in stages(FRAME)]
    arrived = [lines[2].count("▶") for lines in drawn]
    changed = [lines[2].endswith("│   y   │") for lines in drawn]
    answered = ["── │ seq" in lines[3] for lines in drawn]
    explained = [len(lines) > 5 for lines in drawn]
    assert arrived == [0, 0, 1, 1, 1, 1, 1]
    assert changed == [False] * 3 + [True] * 4
    assert answered == [False] * 4 + [True] * 3
    assert explained == changed


def test_an_empty_log_says_so() -> None:
    assert "│ empty" in whole(replace(FRAME, before=[], after=[]))


def test_long_logs_and_long_words_stay_in_eighty_columns() -> None:
    log = [stored(offset, f"a long value {offset}") for offset in range(9)]
    wordy = replace(FRAME, value="v" * 9, sequence=2**31 - 1, after=log, words="many words " * 40)
    texts = [
        whole(wordy),
        heading(3, "a title", "setting " * 30),
        sentence("moral " * 30),
        log_table(log),
    ]
    assert max(len(line) for text in texts for line in text.splitlines()) <= COLUMNS
    drawn = texts[0].splitlines()
    assert drawn[4].endswith("┄── 5 ──┴── 6 ──┴── 7 ──┴── 8 ──┘"), (
        "the newest four, cut on the left"
    )


def test_the_log_read_back_shows_what_was_stored_and_dashes_for_what_was_not() -> None:
    lines = [line.split() for line in log_table([X, stored(1, "y", -1)]).splitlines()]
    assert lines == [
        ["partition", "offset", "value", "PID", "epoch", "sequence"],
        ["0", "0", "x", "…007", "0", "0"],
        ["0", "1", "y", "-", "-", "-"],
    ]


def test_every_picture_can_be_drawn_in_ascii() -> None:
    drawings = [whole(replace(FRAME, fate=fate)) for fate in Fate]
    drawings += [whole(replace(FRAME, after=[X] * 9)), heading(1, "title", "setting")]
    for drawing in drawings:
        assert in_ascii(drawing).isascii()
    assert " | producer | -- y, sequence 1 ------------> |   x   |   y   |" in in_ascii(
        whole(FRAME)
    )


def test_in_transactions_the_log_says_what_became_of_each_record() -> None:
    aborted = replace(stored(0, "y"), transaction="aborted")
    abort = replace(stored(1, "ABORT"), sequence=-1, producer_epoch=1)
    again = replace(stored(2, "y"), transaction="committed", producer_epoch=2, sequence=0)
    frame = replace(
        FRAME,
        before=[aborted, abort],
        after=[aborted, abort, again],
        sequence=0,
        who="new",
        epoch=2,
        answer="ack, offset 2",
    )
    assert whole(frame).splitlines()[2:4] == [
        " │   new    │ ── y, sequence 0 ────────────▶ │   y   │ ABORT │   y   │",
        " │…007, ep 2│ ◀──────────── ack, offset 2 ── │aborted│ marker│ seq 0 │",
    ]
    assert mark_of(frame) is Mark.PLAIN, "what was aborted is not there twice"
    rows = [line.split() for line in log_table(frame.after).splitlines()]
    assert [row[2:] for row in rows] == [
        ["value", "PID", "epoch", "sequence", "transaction"],
        ["y", "…007", "0", "0", "aborted"],
        ["ABORT", "…007", "1", "-", "-"],
        ["y", "…007", "2", "0", "committed"],
    ]
