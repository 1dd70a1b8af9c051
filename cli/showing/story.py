"""EDGE: `minibroker demo --story`: plays the scenes one by one and shows each as it was.

A scene is played first, at full speed, and then drawn from what has happened: in a terminal frame
by frame, with pauses (--step: until Enter); otherwise, or with --fast, each frame once. --html
writes the same run as a page (story_page.py).
Tests: tests/system/commands/test_story.py
"""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ...testing.child_broker import ChildBroker
from .story_frames import (
    COLUMNS,
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
from .story_page import TellingScene
from .story_scenes import SCENES
from .story_stage import Scene, Stage

STAGE_PAUSE_S = 0.35
FRAME_PAUSE_S = 2.0
SCENE_PAUSE_S = 4.0
COLOURS = {
    Mark.PLAIN: "",
    Mark.LOST: "red",
    Mark.DOUBLED: "bold red",
    Mark.RECOGNISED: "green",
    Mark.REFUSED: "yellow",
}
SAID_IN_COLOUR = {Mark.DOUBLED, Mark.RECOGNISED, Mark.REFUSED}  # of LOST only the cross is
INTRODUCTION = (
    "Every picture is drawn from what has just happened between a real producer and a real broker, "
    "each a process of its own; the sentences under the frames are the broker's (minibroker "
    "explain). Idempotence is switched by the library's own option, and every retry is the "
    "library's own."
)


def printable(text: str) -> str:
    """As standard output can show it: in ASCII where it knows no lines and arrows."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return in_ascii(text)
    return text


def say(text: str) -> None:
    """Print, now."""
    print(printable(text), flush=True)


class Pace(Protocol):
    """How frames come to the eye."""

    async def show(self, frame: Frame) -> None:
        """Draw a frame."""

    async def rest(self) -> None:
        """A scene has ended."""


class Still(Pace):
    """Each frame once, whole, without a pause; with colours where somebody looks."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, frame: Frame) -> None:
        self._console.print(coloured(whole(frame), frame), soft_wrap=True)
        say("")

    async def rest(self) -> None:
        return


class Moving(Pace):
    """Each frame grows in its place, in a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, frame: Frame) -> None:
        with Live(console=self._console, auto_refresh=False, redirect_stdout=False) as live:
            for stage in stages(frame):
                live.update(coloured(stage, frame), refresh=True)
                await asyncio.sleep(STAGE_PAUSE_S)
        say("")
        await self.pause(FRAME_PAUSE_S)

    async def rest(self) -> None:
        await self.pause(SCENE_PAUSE_S)

    async def pause(self, seconds: float) -> None:
        """Give time to look."""
        await asyncio.sleep(seconds)


class Stepping(Moving):
    """The same, and Enter goes on."""

    async def pause(self, seconds: float) -> None:
        """Wait for Enter; the end of standard input goes on, too."""
        print("Enter goes on ", end="", file=sys.stderr, flush=True)
        loop = asyncio.get_running_loop()
        pressed = loop.create_future()
        loop.add_reader(sys.stdin.fileno(), pressed.set_result, None)
        try:
            await pressed
        finally:
            loop.remove_reader(sys.stdin.fileno())
        sys.stdin.readline()


def coloured(text: str, frame: Frame) -> Text:
    """A frame with what is lost, doubled, recognised or refused in its colour."""
    drawn = Text(printable(text), no_wrap=True, overflow="crop")
    mark = mark_of(frame)
    drawn.highlight_regex(r"✗[^│\n]*(?=│|$)|X  *-- .*(?=\|)", COLOURS[Mark.LOST])
    words = printable(text).rfind(first_words(frame))
    if mark in SAID_IN_COLOUR and words >= 0:
        drawn.stylize(COLOURS[mark], words)
    return drawn


def first_words(frame: Frame) -> str:
    """Where the sentence under a frame begins."""
    return " ".join(frame.words.split()[:3])


def pace_of(console: Console, *, is_fast: bool, is_stepped: bool) -> Pace:
    """How to show it here: growing, if somebody watches a terminal and is in no hurry."""
    if is_stepped and sys.stdin.isatty() and console.is_terminal:
        return Stepping(console)
    return Still(console) if is_fast or not console.is_terminal else Moving(console)


async def tell(
    client: str,
    *,
    is_fast: bool = False,
    is_stepped: bool = False,
    picture: int | None = None,
) -> list[TellingScene]:
    """Play and show the scenes; how each went.

    Args:
        client: the library of the producers, a key of console/lesson/producers/process.CLIENTS.
        is_fast: without pauses.
        is_stepped: Enter goes on.
        picture: only this scene, counted from 1.

    Raises:
        ProducerFailed, ChildBrokerError, NurseryFailed, TimeoutError: a scene could not be played.
    """
    console = Console(highlight=False)
    pace = pace_of(console, is_fast=is_fast, is_stepped=is_stepped)
    if console.is_terminal and console.width < COLUMNS:
        text = f"this terminal has {console.width} columns; the pictures need {COLUMNS}"
        print(text, file=sys.stderr)
    chosen = [*enumerate(SCENES, 1)]
    if picture is not None:
        chosen = [chosen[picture - 1]]
    say(f"Exactly once in {len(SCENES)} pictures. The producer is {client}.")
    say(sentence(INTRODUCTION))
    told: list[TellingScene] = []
    async with ChildBroker() as broker:
        for number, scene in chosen:
            told.append(await _told(Stage(broker, client), number, scene, pace))
    return told


async def _told(stage: Stage, number: int, scene: Scene, pace: Pace) -> TellingScene:
    """Play one scene and show it."""
    told = await scene.play(stage, f"picture-{number}")
    stage.broker.faults.clear()
    say(f"\n{heading(number, scene.title, scene.setting)}\n")
    for frame in told.frames:
        await pace.show(frame)
    say(f"The log, read back:\n\n{log_table(told.log)}\n")
    for claim in told.untrue:
        say(f"NOT AS TOLD: {claim}")
    if not told.untrue:
        say(sentence(scene.moral))
    await pace.rest()
    return TellingScene(
        number, scene.title, scene.setting, told.frames, told.log, scene.moral, told.untrue
    )
