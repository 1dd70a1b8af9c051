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
from .telling import Attempt, Fate, Record, Row, Shown, listed

PRODUCER_SIZE = (240, 210)
WIRE_SIZE = (340, 210)
LOG_SIZE = (600, 132)
TABLE_WIDTH = 600
ROW_HEIGHT = 44
CELL, CELL_GAP, CELLS_A_LINE = 46, 6, 11
ATTEMPTS_DRAWN = 4
ARROW_ROOM = 46  # of one attempt, there and back
WINDOW = 5  # batches that a broker remembers of a producer in a partition
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
    if situation.mode is not Mode.PLAIN:
        facts.append(
            ("PID", str(newest.producer_id) if knows_id and newest else "not asked for yet")
        )
        if knows_id and newest:
            facts.append(("epoch", str(newest.epoch)))
            facts.append(("last sequence", str(newest.sequence)))
    pending = situation.pending
    facts.append(("waits for", f"the answer to {pending.value}" if pending else "nothing"))
    lines = [_text(16, 30, "producer", "head")]
    for number, (name, value) in enumerate(facts):
        y = 62 + 27 * number
        lines += [_text(16, y, name, "name"), _text(224, y, value, "value", anchor="end")]
    box = '<rect class="box" x="1" y="1" width="238" height="208" rx="10"/>'
    said = "Producer: " + "; ".join(f"{name} {value}" for name, value in facts)
    return _svg(PRODUCER_SIZE, said, box + "".join(lines))


def wire(shown: Shown) -> str:
    """What went there and back in the last move, one pair of arrows for each attempt."""
    width, _ = WIRE_SIZE
    parts, said = [], []
    if not shown.attempts:
        parts.append(_text(width // 2, 108, "nothing on the wire", "name", anchor="middle"))
        said.append("nothing has been sent")
    left_out = len(shown.attempts) - ATTEMPTS_DRAWN
    for number, attempt in enumerate(shown.attempts[-ATTEMPTS_DRAWN:]):
        parts.append(_pair(attempt, 26 + number * ARROW_ROOM))
        said.append(_said(attempt))
    if left_out > 0:
        said.insert(0, f"{left_out} earlier attempts are not drawn")
    if not shown.situation.is_broker_up:
        parts.append(_text(width - 8, 204, "no broker at this end", "bad", anchor="end"))
    return _svg(WIRE_SIZE, "Wire: " + "; ".join(said), "".join(parts))


def _pair(attempt: Attempt, y: int) -> str:
    """One attempt: the batch goes to the right, its answer comes back."""
    width, _ = WIRE_SIZE
    label = attempt.value
    if attempt.producer_id >= 0:
        label += f" · epoch {attempt.epoch} · sequence {attempt.sequence}"
    there = _text(10, y - 6, label, "batch") + _arrow(8, width - 8, y, "batch")
    back_y = y + 18
    answer = (
        "stored"
        if attempt.verdict == "appended"
        else "known"
        if attempt.is_recognised
        else "refused"
    )
    answer += f", offset {attempt.base_offset}" if attempt.base_offset >= 0 else ""
    kind = "known" if attempt.is_recognised else "ack" if attempt.verdict == "appended" else "bad"
    middle = width // 2
    match attempt.fate:
        case Fate.DELIVERED:
            back = _arrow(width - 8, 8, back_y, kind)
            return there + back + _text(width - 10, back_y - 5, answer, kind, anchor="end")
        case Fate.LOST:
            back = _line(width - 8, middle, back_y, "bad") + _cross(middle, back_y)
            return (
                there + back + _text(width - 10, back_y - 5, f"{answer}: lost", "bad", anchor="end")
            )
        case Fate.HELD:
            back = _line(width - 8, middle, back_y, "held") + _bars(middle, back_y)
            return (
                there
                + back
                + _text(width - 10, back_y - 5, f"{answer}: held", "held", anchor="end")
            )
    back = _line(width - 8, middle, back_y, "faint") + _cross(middle, back_y)
    return (
        there + back + _text(width - 10, back_y - 5, f"{answer}: not heard", "faint", anchor="end")
    )


def log(shown: Shown) -> str:
    """What is stored, a cell for each record; what is there twice stands out."""
    width, height = LOG_SIZE
    records = shown.log
    lines = max(1, -(-len(records) // CELLS_A_LINE))
    height += (lines - 1) * (CELL + 26)
    counted = Counter(each.value for each in records if each.transaction != "aborted")
    parts = [_text(16, 30, "log", "head")]
    state = "on the disk of a broker that does not run" if not shown.situation.is_broker_up else ""
    parts.append(_text(width - 16, 30, state, "bad", anchor="end"))
    if not records:
        parts.append(_text(16, 76, "empty", "name"))
    for number, record in enumerate(records):
        line, column = divmod(number, CELLS_A_LINE)
        x, y = 16 + column * (CELL + CELL_GAP), 48 + line * (CELL + 26)
        parts.append(_cell(record, x, y, is_doubled=counted[record.value] > 1))
    box = f'<rect class="box" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="10"/>'
    said = f"Log: {listed(shown.situation.log)}" if records else "Log: empty"
    return _svg((width, height), said, box + "".join(parts))


def _cell(record: Record, x: int, y: int, *, is_doubled: bool) -> str:
    value = (record.value or b"").decode(errors="replace")
    kinds = [
        "cell",
        *(["doubled"] if is_doubled else []),
        *([record.transaction] if record.transaction else []),
    ]
    below = f"{record.offset}"
    sequence = "" if record.sequence < 0 else f"#{record.sequence}"
    return (
        f'<g class="{" ".join(kinds)}" data-offset="{record.offset}" data-value="{escape(value)}">'
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="6"/>'
        + _text(x + CELL // 2, y + 25, value, "letter", anchor="middle")
        + _text(x + CELL // 2, y + 40, sequence, "small", anchor="middle")
        + _text(x + CELL // 2, y + CELL + 15, below, "small", anchor="middle")
        + "</g>"
    )


def table(shown: Shown) -> str:
    """What the broker knows of each producer: its five newest batches, as the window they are."""
    rows = shown.table[-ROWS_DRAWN:]
    height = 52 + max(1, len(rows)) * ROW_HEIGHT
    parts = [_text(16, 30, "sequence table", "head")]
    if not shown.situation.is_broker_up:
        parts.append(_text(TABLE_WIDTH - 16, 30, "gone with the process", "bad", anchor="end"))
    elif not rows:
        parts.append(_text(16, 66, "no producer with a PID has written here", "name"))
    said = []
    if shown.situation.is_broker_up:
        for number, row in enumerate(rows):
            parts.append(_row(row, 48 + number * ROW_HEIGHT))
            said.append(
                f"PID {row.producer_id}, epoch {row.epoch}, last sequence {row.last_sequence}"
            )
        left_out = len(shown.table) - len(rows)
        if left_out:
            said.append(f"{left_out} older ones are not drawn")
    box = f'<rect class="box" x="1" y="1" width="{TABLE_WIDTH - 2}" height="{height - 2}" rx="10"/>'
    return _svg(
        (TABLE_WIDTH, height),
        "Sequence table: " + ("; ".join(said) or "empty"),
        box + "".join(parts),
    )


def _row(row: Row, y: int) -> str:
    parts = [
        _text(16, y + 26, f"PID {row.producer_id}", "value"),
        _text(178, y + 26, f"epoch {row.epoch}", "name"),
    ]
    slots: Sequence[tuple[int, int] | None] = [*[None] * (WINDOW - len(row.batches)), *row.batches]
    for number, batch in enumerate(slots):
        x = 250 + number * 66
        kind = "slot" if batch is None else "slot known"
        parts.append(f'<rect class="{kind}" x="{x}" y="{y + 4}" width="60" height="34" rx="6"/>')
        if batch is not None:
            parts.append(_text(x + 30, y + 19, f"#{batch[0]}", "small", anchor="middle"))
            parts.append(_text(x + 30, y + 32, f"at {batch[1]}", "tiny", anchor="middle"))
    return f'<g class="row" data-pid="{row.producer_id}">{"".join(parts)}</g>'


def _said(attempt: Attempt) -> str:
    what = (
        "stored"
        if attempt.verdict == "appended"
        else "recognised"
        if attempt.is_recognised
        else "refused"
    )
    return f"{attempt.value}: {what}, answer {attempt.fate}"


def _svg(size: tuple[int, int], said: str, inside: str) -> str:
    width, height = size
    name = escape(said)
    return (
        f'<svg class="lesson" viewBox="0 0 {width} {height}" role="img" aria-label="{name}">'
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
