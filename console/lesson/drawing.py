"""The pictures of the lesson, as SVG: producer, wire, log and sequence table. Pure.

Facts in, text out: four drawings, which a page puts side by side or one above the other. Colours
and type come from the page's style sheet by class; nothing from a record gets into a drawing
unescaped. What the drawings show is in their names for screen readers, too.
Read first: telling.py.
Tests: tests/unit/console/lesson/test_drawing.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from .moves import Mode
from .telling import WINDOW, Attempt, Fate, Record, Row, Shown, listed

PRODUCER_WIDTH = 250
WIRE_WIDTH = 340
BROKER_WIDTH = 420
LINE_HEIGHT = 27  # of the producer's facts
ROW_HEIGHT = 68  # of the table
CELL, CELL_GAP, CELLS_A_LINE = 46, 7, 7
LOG_LINE_HEIGHT = CELL + 26
ATTEMPTS_DRAWN = 4
ARROW_ROOM = 64  # of one attempt, there and back
LOST_AT = 56  # where an answer ends that does not arrive
ROWS_DRAWN = 5

IN_WORDS = {
    Mode.PLAIN: "idempotence off",
    Mode.IDEMPOTENT: "idempotent",
    Mode.SESSION: "durable session",
    Mode.TRANSACTIONS: "transactional",
}


def drawn(shown: Shown) -> str:
    """All four, in the order in which a batch meets them."""
    return "\n".join((producer(shown), wire(shown), log(shown), table(shown)))


def producer(shown: Shown) -> str:
    """Who sends: what it is, which PID it has, and what it waits for."""
    situation = shown.situation
    newest = shown.attempts[-1] if shown.attempts else None
    knows_id = newest is not None and newest.producer_id >= 0 and situation.mode is not Mode.PLAIN
    facts = [("kind", IN_WORDS[situation.mode])]
    if situation.mode is Mode.PLAIN:
        facts += [("PID", "none"), ("sequences", "none")]
    else:
        facts.append(
            ("PID", str(newest.producer_id) if knows_id and newest else "not asked for yet")
        )
        if knows_id and newest:
            facts.append(("epoch", str(newest.epoch)))
            facts.append(("last sequence", str(newest.sequence)))
    pending = situation.pending
    facts.append(("waits for", f"the answer to {pending.value}" if pending else "nothing"))
    parts = [_text(16, 30, "producer", "head")]
    for number, (name, value) in enumerate(facts):
        y = 58 + LINE_HEIGHT * number
        parts += [_text(16, y, name, "name"), _text(PRODUCER_WIDTH - 16, y, value, "", "end")]
    said = "; ".join(f"{name} {value}" for name, value in facts)
    height = 54 + LINE_HEIGHT * len(facts)
    return _boxed("producer", (PRODUCER_WIDTH, height), f"Producer: {said}", parts)


def wire(shown: Shown) -> str:
    """What went there and back in the last move, one pair of arrows for each attempt."""
    drawn_ones = shown.attempts[-ATTEMPTS_DRAWN:]
    parts, said = [], [_said(each) for each in drawn_ones]
    height = max(1, len(drawn_ones)) * ARROW_ROOM + 10
    if not drawn_ones:
        parts.append(_text(WIRE_WIDTH // 2, 42, "nothing on the wire", "name", "middle"))
        said.append("nothing has been sent")
    for number, attempt in enumerate(drawn_ones):
        parts.append(_pair(attempt, 24 + number * ARROW_ROOM, number))
    if left_out := len(shown.attempts) - len(drawn_ones):
        said.insert(0, f"{left_out} earlier ones are not drawn")
    if not shown.situation.is_broker_up:
        height += 20
        parts.append(_text(WIRE_WIDTH - 8, height - 8, "no broker at this end", "bad", "end"))
    return _svg("wire", (WIRE_WIDTH, height), "Wire: " + "; ".join(said), "".join(parts))


def _pair(attempt: Attempt, y: int, number: int) -> str:
    """One attempt: the batch goes to the right, its answer comes back, or part of the way.

    A style sheet may let them come one after the other: step-0, step-1, ...
    """
    right, back_y = WIRE_WIDTH - 8, y + 26
    label = f"{attempt.value} · no PID, no sequence"
    if attempt.producer_id >= 0:
        whose = f"PID {attempt.producer_id} · epoch {attempt.epoch}"
        label = f"{attempt.value} · {whose} · sequence {attempt.sequence}"
    there = _text(10, y - 6, label, "batch") + _arrow(8, right, y, "batch")
    answer = _outcome(attempt)
    if attempt.base_offset >= 0:
        answer += f", offset {attempt.base_offset}"
    match attempt.fate:
        case Fate.DELIVERED:
            kind = _KINDS.get(attempt.verdict, "bad")
            back = _arrow(right, 8, back_y, kind)
        case Fate.LOST:
            kind, answer = "bad", f"{answer}: lost"
            back = _line(right, LOST_AT, back_y, kind) + _cross(LOST_AT, back_y)
        case Fate.HELD:
            kind, answer = "held", f"{answer}: held"
            back = _line(right, LOST_AT, back_y, kind) + _bars(LOST_AT, back_y)
        case Fate.UNHEARD:
            kind, answer = "faint", f"{answer}: nobody hears it"
            back = _line(right, LOST_AT, back_y, kind) + _cross(LOST_AT, back_y)
    back += _text(right - 2, back_y - 6, answer, kind, "end")
    steps = (f"step-{2 * number}", f"step-{2 * number + 1}")
    return f'<g class="{steps[0]}">{there}</g><g class="{steps[1]}">{back}</g>'


_KINDS = {"appended": "ack", "duplicate": "known"}


def _outcome(attempt: Attempt) -> str:
    return {"appended": "stored", "duplicate": "recognised"}.get(attempt.verdict, "refused")


def _said(attempt: Attempt) -> str:
    return f"{attempt.value}: {_outcome(attempt)}, answer {attempt.fate}"


def log(shown: Shown) -> str:
    """What is stored, a cell for each record; what is there twice stands out."""
    records = shown.log
    lines = max(1, -(-len(records) // CELLS_A_LINE))
    counted = Counter(each.value for each in records if each.transaction != "aborted")
    parts = [_text(16, 30, "log", "head")]
    words, kind = "below each its offset", "name"
    if not shown.situation.is_broker_up:
        words, kind = "on the disk of a dead broker", "bad"
    parts.append(_text(BROKER_WIDTH - 16, 30, words, kind, "end"))
    if not records:
        parts.append(_text(16, 76, "empty", "name"))
    for number, record in enumerate(records):
        line, column = divmod(number, CELLS_A_LINE)
        x, y = 16 + column * (CELL + CELL_GAP), 46 + line * LOG_LINE_HEIGHT
        parts.append(_cell(record, x, y, is_doubled=counted[record.value] > 1))
    said = f"Log: {listed(shown.situation.log)}" if records else "Log: empty"
    return _boxed("log", (BROKER_WIDTH, 54 + lines * LOG_LINE_HEIGHT), said, parts)


def _cell(record: Record, x: int, y: int, *, is_doubled: bool) -> str:
    value = (record.value or b"").decode(errors="replace")
    kinds = ["cell", *(["doubled"] if is_doubled else [])]
    if record.transaction:
        kinds.append(record.transaction)
    middle = x + CELL // 2
    parts = (
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="6"/>',
        _text(middle, y + 24, value, "letter", "middle"),
        _text(
            middle, y + 39, f"#{record.sequence}" if record.sequence >= 0 else "", "small", "middle"
        ),
        _text(middle, y + CELL + 15, str(record.offset), "small", "middle"),
    )
    named = f'class="{" ".join(kinds)}" data-offset="{record.offset}" data-value="{escape(value)}"'
    return f"<g {named}>{''.join(parts)}</g>"


def table(shown: Shown) -> str:
    """What the broker knows of each producer: its five newest batches, as the window they are."""
    is_up = shown.situation.is_broker_up
    rows = shown.table[-ROWS_DRAWN:] if is_up else ()
    parts, said = [_text(16, 30, "sequence table", "head")], []
    if not is_up:
        parts.append(_text(BROKER_WIDTH - 16, 30, "gone with the process", "bad", "end"))
        said.append("gone with the process")
    elif not rows:
        parts.append(_text(16, 62, "no producer with a PID has written here", "name"))
        said.append("empty")
    else:
        words = "of each PID the five newest batches"
        parts.append(_text(BROKER_WIDTH - 16, 30, words, "name", "end"))
    for number, row in enumerate(rows):
        parts.append(_row(row, 44 + number * ROW_HEIGHT))
        said.append(f"PID {row.producer_id}, epoch {row.epoch}, last sequence {row.last_sequence}")
    if left_out := len(shown.table) - len(rows) if is_up else 0:
        said.append(f"{left_out} older ones are not drawn")
    height = 50 + ROW_HEIGHT * len(rows) if rows else 80
    return _boxed("table", (BROKER_WIDTH, height), "Sequence table: " + "; ".join(said), parts)


def _row(row: Row, y: int) -> str:
    parts = [
        _text(16, y + 14, f"PID {row.producer_id}", ""),
        _text(BROKER_WIDTH - 16, y + 14, f"epoch {row.epoch}", "name", "end"),
    ]
    slots: Sequence[tuple[int, int] | None] = [*[None] * (WINDOW - len(row.batches)), *row.batches]
    for number, batch in enumerate(slots):
        x = 16 + number * 79
        kind = "slot" if batch is None else "slot known"
        parts.append(f'<rect class="{kind}" x="{x}" y="{y + 22}" width="72" height="32" rx="6"/>')
        if batch is not None:
            words = f"#{batch[0]} at {batch[1]}"
            parts.append(_text(x + 36, y + 42, words, "small", "middle"))
    return f'<g data-pid="{row.producer_id}">{"".join(parts)}</g>'


def _boxed(kind: str, size: tuple[int, int], said: str, parts: Sequence[str]) -> str:
    width, height = size
    box = f'<rect class="box" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="10"/>'
    return _svg(kind, size, said, box + "".join(parts))


def _svg(kind: str, size: tuple[int, int], said: str, inside: str) -> str:
    width, height = size
    name = escape(said)
    return (
        f'<svg class="lesson {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{inside}</svg>"
    )


def _text(x: int, y: int, text: str, kind: str, anchor: str = "start") -> str:
    if not text:
        return ""
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: int, x2: int, y: int, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y}" x2="{x2}" y2="{y}"/>'


def _arrow(x1: int, x2: int, y: int, kind: str) -> str:
    back = 7 if x1 < x2 else -7
    head = f"M{x2 - back} {y - 4} L{x2} {y} L{x2 - back} {y + 4}"
    return _line(x1, x2, y, kind) + f'<path class="{kind}" d="{head}"/>'


def _cross(x: int, y: int) -> str:
    one, other = f"M{x - 5} {y - 5} L{x + 5} {y + 5}", f"M{x + 5} {y - 5} L{x - 5} {y + 5}"
    return f'<path class="bad cross" d="{one} {other}"/>'


def _bars(x: int, y: int) -> str:
    return f'<path class="held cross" d="M{x - 3} {y - 6} V{y + 6} M{x + 3} {y - 6} V{y + 6}"/>'
