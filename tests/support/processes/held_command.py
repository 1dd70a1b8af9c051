"""EDGE: `minibroker` that holds still at a certain moment, so that a test can kill it just there.

    python -m tests.support.processes.held_command MODULE:CLASS.NAME COUNT before|behind WORDS...

Before, or behind, the COUNT-th call of a method it writes HELD to standard error, and goes no
further until standard input ends: whoever waits for that line kills it without missing.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

from minibroker.cli.main import main as minibroker_main

HELD = "held here"


def main() -> int:
    """Run the command in sys.argv."""
    where, count, side, *words = sys.argv[1:]
    _hold(where, int(count), side)
    sys.argv[1:] = words
    return minibroker_main() or 0


def _hold(where: str, count: int, side: str) -> None:
    module, _, path = where.partition(":")
    owner_name, _, name = path.partition(".")
    owner = getattr(import_module(module), owner_name)
    plain = getattr(owner, name)
    calls = 0

    def at(this: str) -> None:
        if this == side and calls == count:
            print(HELD, file=sys.stderr, flush=True)
            sys.stdin.read()

    async def later(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        at("before")
        result = await plain(self, *args, **options)
        at("behind")
        return result

    def now(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        at("before")
        result = plain(self, *args, **options)
        at("behind")
        return result

    setattr(owner, name, later if asyncio.iscoroutinefunction(plain) else now)


if __name__ == "__main__":
    sys.exit(main())
