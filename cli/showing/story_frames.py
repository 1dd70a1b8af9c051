"""The pictures of `minibroker demo --story`: producer, wire and log, as lines of text.

A Frame is one batch on its way and back. `stages` draws it growing, for a terminal; the last stage
is the whole picture. Facts in, text out: nothing here is wider than COLUMNS.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ...testing.stored import Stored
from ..terminal.tables import table

COLUMNS = 80
WIRE_COLUMNS = 30
BOX_COLUMNS = 10  # what fits into the producer's box
CELL_COLUMNS = 7  # what fits into a record's box
CELLS_MAX = 4  # the newest records are drawn
GROWTH = (10, 20, WIRE_COLUMNS)  # columns of an arrow that are drawn, stage by stage
LOST_AT = 9  # the column of the wire where an answer is lost
IN_ASCII = str.maketrans("┌┬┐└┴┘─│┄═▶◀✗·…", "++++++-|:=><X-~")
HEADS = ("partition", "offset", "value", "PID", "epoch", "sequence")
IN_TRANSACTIONS = "transaction"  # one more of HEADS, where there are any
IDS_ALIKE = 1000  # producer ids begin at a multiple of it


class Fate(StrEnum):
    """What became of an answer."""

    DELIVERED = "delivered"
    LOST = "lost"  # on the wire
    UNHEARD = "unheard"  # the producer was killed before it came
    NEVER_SENT = "never sent"  # the broker was killed before it left


class Mark(StrEnum):
    """What is remarkable about a frame: the colour it gets."""

    PLAIN = "plain"
    LOST = "lost"  # an answer did not arrive
    DOUBLED = "doubled"  # a record is now there twice
    RECOGNISED = "recognised"  # a retry was, and nothing was stored
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Frame:
    """One request on its way.

    Attributes:
        value: the text of its one record, or what else is asked.
        producer_id: -1 if the producer is not idempotent.
        sequence: counts only with a producer_id; -1 if no record is sent.
        before, after: what the partition holds before and after; markers as `marker` makes them.
        answer: what the broker answers, in short.
        words: what is to be said about it.
    """

    value: str
    partition: int
    producer_id: int
    sequence: int
    before: Sequence[Stored]
    after: Sequence[Stored]
    answer: str
    fate: Fate
    words: str
    who: str = "producer"
    epoch: int = -1  # shown from 0 on


def is_marker(stored: Stored) -> bool:
    """Whether it is no record but the end of a transaction: it has a producer and no sequence."""
    return stored.producer_id >= 0 and stored.sequence < 0


def mark_of(frame: Frame) -> Mark:
    """What is remarkable about a frame."""
    if frame.answer.startswith("error"):
        return Mark.REFUSED
    values = [
        each.value for each in frame.after if not is_marker(each) and each.transaction != "aborted"
    ]
    is_new = len(frame.after) > len(frame.before)
    if is_new and not is_marker(frame.after[-1]) and values[-1] in values[:-1]:
        return Mark.DOUBLED
    if frame.who == "reader":
        return Mark.PLAIN
    if frame.fate is not Fate.DELIVERED:
        return Mark.LOST
    return Mark.PLAIN if is_new else Mark.RECOGNISED


def stages(frame: Frame) -> list[str]:
    """The frame as it grows: the request travels, the log changes, the answer travels."""
    request, answer = _request(frame), _answer(frame)
    return [
        *(_drawn(frame, request[:grown], "", "") for grown in GROWTH),
        _drawn(frame, request, "", frame.words),
        *(_drawn(frame, request, answer[-grown:], frame.words) for grown in GROWTH),
    ]


def whole(frame: Frame) -> str:
    """The frame, with all that has happened in it."""
    return stages(frame)[-1]


def heading(number: int, title: str, setting: str) -> str:
    """The lines above a scene."""
    first = f"{number} · {title}"
    return "\n".join((first, "═" * len(first), *_wrapped(setting, "")))


def log_heads(log: Sequence[Stored]) -> Sequence[str]:
    """Of log_rows."""
    return (*HEADS, IN_TRANSACTIONS) if any(map(is_marker, log)) else HEADS


def log_rows(log: Sequence[Stored]) -> list[tuple[object, ...]]:
    """The log read back, a row of log_heads for each record."""
    has_transactions = len(log_heads(log)) > len(HEADS)
    return [
        (
            each.partition,
            each.offset,
            _text(each),
            *(
                (short_id(each.producer_id), each.producer_epoch, each.sequence)
                if each.sequence >= 0
                else (short_id(each.producer_id), each.producer_epoch, "-")
                if is_marker(each)
                else "---"
            ),
            *((each.transaction or "-",) if has_transactions else ()),
        )
        for each in log
    ]


def log_table(log: Sequence[Stored]) -> str:
    """The log read back, a line for each record."""
    return textwrap.indent(table(log_heads(log), log_rows(log)), "  ")


def short_id(producer_id: int) -> str:
    """The digits by which the producer ids of one broker differ; all before are the same."""
    return f"…{producer_id % IDS_ALIKE:03}"


def sentence(text: str) -> str:
    """A sentence in lines that fit."""
    return "\n".join(_wrapped(text, ""))


def in_ascii(text: str) -> str:
    """The same picture without lines and arrows of Unicode."""
    return text.translate(IN_ASCII)


def _drawn(frame: Frame, request: str, answer: str, words: str) -> str:
    name = f"{frame.who} ✗" if frame.fate is Fate.UNHEARD and answer else frame.who
    session = session_of(frame)
    log = frame.after if words else frame.before
    box = _cell(name, BOX_COLUMNS), _cell(session, BOX_COLUMNS)
    top, values, sequences, bottom = _log(log[-CELLS_MAX:], left_out=len(log) > CELLS_MAX)
    edge = "─" * BOX_COLUMNS
    gap = " " * (WIRE_COLUMNS + 2)
    lines = (
        f"{' ' * (BOX_COLUMNS + 3)}{gap}partition {frame.partition}",
        f" ┌{edge}┐{gap}{top}",
        f" │{box[0]}│ {request:<{WIRE_COLUMNS}} {values}",
        f" │{box[1]}│ {answer:>{WIRE_COLUMNS}} {sequences}",
        f" └{edge}┘{gap}{bottom}",
        *_wrapped(words, "   "),
    )
    return "\n".join(line.rstrip() for line in lines)


def session_of(frame: Frame) -> str:
    """Who asks, in the broker's terms."""
    if frame.producer_id < 0:
        return "no PID" if frame.who != "reader" else ""
    epoch = f", ep {frame.epoch}" if frame.epoch >= 0 else ""
    return f"{'' if epoch else 'PID '}{short_id(frame.producer_id)}{epoch}"


def asked_of(frame: Frame) -> str:
    """What is asked, in short."""
    is_numbered = frame.producer_id >= 0 and frame.sequence >= 0
    return f"{frame.value}, sequence {frame.sequence}" if is_numbered else frame.value


def state_of(stored: Stored) -> str:
    """What is said of a record in the log: what became of it, or its number."""
    if is_marker(stored):
        return "marker"
    if stored.transaction in ("open", "aborted"):
        return stored.transaction
    return f"seq {stored.sequence}" if stored.producer_id >= 0 else ""


def _request(frame: Frame) -> str:
    label = f"── {asked_of(frame)} "[: WIRE_COLUMNS - 1]
    return label.ljust(WIRE_COLUMNS - 1, "─") + "▶"


def _answer(frame: Frame) -> str:
    """As wide as the wire."""
    tail = f" {frame.answer} ──"
    match frame.fate:
        case Fate.DELIVERED:
            return "◀" + tail.rjust(WIRE_COLUMNS - 1, "─")
        case Fate.LOST:
            return ("✗ " + tail.rjust(WIRE_COLUMNS - 2 - LOST_AT, "─")).rjust(WIRE_COLUMNS)
        case Fate.UNHEARD:
            return "✗ " + tail.rjust(WIRE_COLUMNS - 2, "─")
        case Fate.NEVER_SENT:
            return f"✗ {frame.answer}".rjust(WIRE_COLUMNS)


def _log(log: Sequence[Stored], *, left_out: bool) -> tuple[str, str, str, str]:
    if not log:
        return "┌──", "│ empty", "│", "└──"
    left = ("┌", "│", "│", "└") if not left_out else ("┄", "┄", "┄", "┄")
    cells = [
        (
            "─" * CELL_COLUMNS,
            _cell(_text(each), CELL_COLUMNS),
            _cell(state_of(each), CELL_COLUMNS),
            f" {each.offset} ".center(CELL_COLUMNS, "─"),
        )
        for each in log
    ]
    top, values, sequences, bottom = zip(*cells, strict=True)
    return (
        left[0] + "┬".join(top) + "┐",
        left[1] + "│".join(values) + "│",
        left[2] + "│".join(sequences) + "│",
        left[3] + "┴".join(bottom) + "┘",
    )


def _cell(text: str, columns: int) -> str:
    return text[:columns].center(columns)


def _text(stored: Stored) -> str:
    return (stored.value or b"").decode(errors="replace")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, COLUMNS - 2, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
