"""EDGE: one sequence of moves at random, in a sandbox of its own, looked at after each."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from minibroker.console.lesson.drawing import drawn
from minibroker.console.lesson.moves import Move, refusal
from minibroker.console.lesson.sandbox import MoveRefused, Sandbox
from minibroker.console.lesson.telling import Shown

MOVES_MAX = 14
OFTEN = (Move.SEND, Move.LOSE_ACK, Move.HOLD_ACK)  # most of the others are for once in a while


@dataclass(slots=True)
class Played:
    """What has come of a sequence."""

    seed: int
    made: list[Move] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def moves(self) -> int:
        """How many were made."""
        return len(self.made)

    def found(self, what: str) -> None:
        """Something is not as it should be."""
        done = " ".join(self.made)
        self.findings.append(f"SEED={self.seed}: {what}\n  after: {done}")


async def play(seed: int, moves_max: int = MOVES_MAX) -> Played:
    """Make moves at random, possible ones and others, and hold each picture against the log."""
    chosen = random.Random(seed)
    sandbox, played = Sandbox(), Played(seed)
    try:
        shown = await sandbox.start()
        for _ in range(chosen.randint(moves_max, 2 * moves_max)):
            move = chosen.choice((*Move, *OFTEN))
            why = refusal(shown.situation, move)
            try:
                shown = await sandbox.make(move)
            except MoveRefused as error:
                if str(error) != why:
                    played.found(f"{move} was refused ({error}), expected: {why or 'made'}")
                continue
            played.made.append(move)
            if why:
                played.found(f"{move} was made, expected: {why}")
            for claim in shown.untrue:
                played.found(f"not so: {claim}")
            for finding in _misdrawn(shown):
                played.found(finding)
    except Exception as error:  # a finding, with the moves that led to it
        played.found(f"{type(error).__name__}: {error}")
    finally:
        await sandbox.close()
    return played


def _misdrawn(shown: Shown) -> Sequence[str]:
    """What the picture has that the log has not, or the reverse."""
    picture = drawn(shown)
    cells = re.findall(r'<g class="cell[^"]*" data-offset="(\d+)" data-value="([^"]*)"', picture)
    log = [(str(each.offset), (each.value or b"").decode()) for each in shown.log]
    if cells != log:
        return [f"drawn: {cells}, in the log: {log}"]
    return []
