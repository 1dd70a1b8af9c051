"""EDGE: `minibroker demo --story`: plays the scenes one by one and shows each as it was.

A scene is played first, at full speed, and then drawn from what has happened: in a terminal frame
by frame, with pauses; otherwise, or with --fast, each frame once.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..testing.child_broker import ChildBroker
from .story_frames import Frame, heading, in_ascii, log_table, sentence, stages, whole
from .story_scenes import SCENES, Stage

STAGE_PAUSE_S = 0.35
FRAME_PAUSE_S = 2.0
SCENE_PAUSE_S = 4.0


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
    """Each frame once, whole, without a pause."""

    async def show(self, frame: Frame) -> None:
        say(f"{whole(frame)}\n")

    async def rest(self) -> None:
        return


class Moving(Pace):
    """Each frame grows in its place, in a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, frame: Frame) -> None:
        with Live(console=self._console, auto_refresh=False, redirect_stdout=False) as live:
            for stage in stages(frame):
                live.update(Text(printable(stage), no_wrap=True, overflow="crop"), refresh=True)
                await asyncio.sleep(STAGE_PAUSE_S)
        say("")
        await asyncio.sleep(FRAME_PAUSE_S)

    async def rest(self) -> None:
        await asyncio.sleep(SCENE_PAUSE_S)


async def tell(client: str, *, is_fast: bool) -> bool:
    """Play and show every scene; whether all were as told.

    Args:
        client: the library of the producers, a key of demo_clients.CLIENTS.
        is_fast: without pauses.

    Raises:
        DemoFailed, ChildBrokerError, NurseryFailed, TimeoutError: a scene could not be played.
    """
    console = Console(highlight=False)
    pace: Pace = Still() if is_fast or not console.is_terminal else Moving(console)
    say(f"The idempotent producer in {len(SCENES)} pictures. The producer is {client}.")
    say(
        sentence(
            "Every picture is drawn from what has just happened between a real producer and a "
            "real broker, each a process of its own; the sentences under the frames are the "
            "broker's (minibroker explain). Idempotence is switched by the library's own option, "
            "and every retry is the library's own."
        )
    )
    untrue = 0
    async with ChildBroker() as broker:
        stage = Stage(broker, client)
        for number, scene in enumerate(SCENES, 1):
            told = await scene.play(stage, f"picture-{number}")
            broker.faults.clear()
            say(f"\n{heading(number, scene.title, scene.setting)}\n")
            for frame in told.frames:
                await pace.show(frame)
            say(f"The log, read back:\n\n{log_table(told.log)}\n")
            for claim in told.untrue:
                say(f"NOT AS TOLD: {claim}")
            if not told.untrue:
                say(sentence(scene.moral))
            untrue += len(told.untrue)
            await pace.rest()
    return not untrue
