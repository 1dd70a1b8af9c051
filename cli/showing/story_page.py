"""The story as one page: a self-contained HTML file, drawn from what happened in that very run.

Every frame is an SVG that is there without any script; the script only shows one at a time. Nothing
is loaded from elsewhere. Facts in, text out; the look is story_page.html beside this file.
Tests: tests/system/commands/test_story.py
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from ...testing.stored import Stored
from .story_frames import (
    HEADS,
    Fate,
    Frame,
    asked_of,
    is_marker,
    log_heads,
    log_rows,
    mark_of,
    session_of,
    state_of,
)

TEMPLATE = Path(__file__).with_name("story_page.html")
WIDTH, HEIGHT = 560, 178
BOX = (6, 44, 116, 84)  # the producer: x, y, width, height
WIRE = (130, 308)  # from x to x
LOG_X, CELL_WIDTH, CELLS_MAX = 318, 59, 4
REQUEST_Y, ANSWER_Y = 70, 110
LOST_X = 212  # where an answer is lost


class TellingScene(NamedTuple):
    """A scene as it went.

    Attributes:
        untrue: claims that did not hold; none, if all was as told.
    """

    number: int
    title: str
    setting: str
    frames: Sequence[Frame]
    log: Sequence[Stored]
    moral: str
    untrue: Sequence[str]


def page(scenes: Sequence[TellingScene], client: str) -> str:
    """The whole file."""
    steps, links = [], []
    for scene in scenes:
        links.append(
            f'<li><a href="#s{scene.number}-1" data-scene="{scene.number}">'
            f"{scene.number}<span>. {escape(scene.title)}</span></a></li>"
        )
        for index, frame in enumerate(scene.frames, 1):
            words, kind = escape(frame.words), mark_of(frame).value
            steps.append(_step(scene, index, _picture(frame), words, kind))
        steps.append(_step(scene, len(scene.frames) + 1, _log(scene), _conclusion(scene), "log"))
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        client=escape(client), links="\n".join(links), steps="\n".join(steps)
    )


def _step(scene: TellingScene, index: int, picture: str, words: str, kind: str) -> str:
    count = len(scene.frames) + 1  # the last step shows the log
    setting = f"<p class=setting>{escape(scene.setting)}</p>" if index == 1 else ""
    return (
        f'<section class="step {kind}" id="s{scene.number}-{index}" data-scene="{scene.number}">\n'
        f"<h2>{scene.number}. {escape(scene.title)} <small>{index} of {count}</small></h2>\n"
        f"{setting}\n{picture}\n<p class=words>{words}</p>\n</section>"
    )


def _conclusion(scene: TellingScene) -> str:
    if scene.untrue:
        return "<strong>Not as told:</strong> " + escape("; ".join(scene.untrue))
    return escape(scene.moral)


def _log(scene: TellingScene) -> str:
    names = log_heads(scene.log)
    kind = " class=long" if len(names) > len(HEADS) else ""
    heads = "".join(f"<th scope=col>{escape(head)}</th>" for head in names)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in log_rows(scene.log)
    )
    return (
        f"<table{kind}><caption>The log, read back</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _picture(frame: Frame) -> str:
    """Producer, wire and partition of one frame."""
    told = (
        f"{frame.who.capitalize()}: {asked_of(frame)}, partition {frame.partition}; "
        f"{frame.answer} {frame.fate.value}. {frame.words}"
    )
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">',
            *_producer(frame),
            *_request(frame),
            *_answer(frame),
            *_partition(frame),
            "</svg>",
        ]
    )


def _producer(frame: Frame) -> list[str]:
    x, y, width, height = BOX
    is_dead = frame.fate is Fate.UNHEARD
    middle = x + width / 2
    kind = "box dead" if is_dead else "box"
    return [
        f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>',
        _text(middle, y + 36, "killed" if is_dead else frame.who, "name"),
        _text(middle, y + 62, session_of(frame), "fine"),
    ]


def _request(frame: Frame) -> list[str]:
    left, right = WIRE
    return [
        f'<path class="wire request" d="M{left} {REQUEST_Y} H{right}" pathLength="1"/>',
        f'<path class="tip request" d="M{right} {REQUEST_Y} l-9 -5 v10 z"/>',
        _text((left + right) / 2, REQUEST_Y - 8, asked_of(frame), "label"),
    ]


def _answer(frame: Frame) -> list[str]:
    left, right = WIRE
    label = _text((left + right) / 2, ANSWER_Y + 22, frame.answer, "label answer")
    match frame.fate:
        case Fate.DELIVERED:
            return [
                f'<path class="wire answer" d="M{right} {ANSWER_Y} H{left}" pathLength="1"/>',
                f'<path class="tip answer" d="M{left} {ANSWER_Y} l9 -5 v10 z"/>',
                label,
            ]
        case Fate.NEVER_SENT:
            return [_cross(right - 10), label]
        case Fate.LOST | Fate.UNHEARD:
            end = LOST_X if frame.fate is Fate.LOST else left + 12
            return [
                f'<path class="wire answer lost" d="M{right} {ANSWER_Y} H{end}" pathLength="1"/>',
                _cross(end - 2),
                label,
            ]


def _cross(x: float) -> str:
    y = ANSWER_Y
    return f'<path class="cross" d="M{x - 8} {y - 8} l16 16 M{x + 8} {y - 8} l-16 16"/>'


def _partition(frame: Frame) -> list[str]:
    _, y, _, height = BOX
    known = {each.offset for each in frame.before}
    shown = frame.after[-CELLS_MAX:]
    parts = [
        _text(LOG_X + 2, y - 14, f"partition {frame.partition}", "fine start"),
        _text(LOG_X - 6, y + height + 22, "offset", "fine end"),
    ]
    for place in range(CELLS_MAX):
        x = LOG_X + place * CELL_WIDTH
        stored = shown[place] if place < len(shown) else None
        if stored is None:
            parts.append(_cell(x, y, height, "cell empty"))
            continue
        is_new = stored.offset not in known
        middle = x + CELL_WIDTH / 2
        value = (stored.value or b"").decode(errors="replace")
        kinds = ["cell", *(["new", mark_of(frame).value] if is_new else [])]
        kinds += ["aborted"] if stored.transaction == "aborted" else []
        parts += [
            _cell(x, y, height, " ".join(kinds)),
            _text(middle, y + 36, value, "value marker" if is_marker(stored) else "value"),
            _text(middle, y + 62, state_of(stored) or "no seq", "fine state"),
            _text(middle, y + height + 22, str(stored.offset), "fine"),
        ]
    return parts


def _cell(x: float, y: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x + 2}" y="{y}" width="{CELL_WIDTH - 4}" height="{height}" '
        'rx="6"/>'
    )


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'
