"""EDGE: the console looked at by a browser: on a broker of ours, and on a real Kafka, both full.

    python -m tests.interop.console.check PICTURES [ours] [kafka] [small]      (make console-check)

Pictures of each page lie in PICTURES/ours and PICTURES/kafka; complaints are printed, and are its
exit code. Needs Chromium (CHROMIUM names it, if it is none of Debian's), Playwright for Python and
axe-core (AXE names axe.min.js): the verb fetches the latter two.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.interop.console.filling import FULL, SMALL, Size, fill, lively
from tests.interop.console.running import cluster, console_process, kinds_in, missing

RIGHTS = ("--allow", "changes", "--allow", "faults")


def chromium() -> str | None:
    """Where it is; None if it is nowhere."""
    return shutil.which(os.environ.get("CHROMIUM", "chromium"))


def missing_of(kinds: Sequence[str]) -> str | None:
    """What is not there and has to be, in words; None if all is."""
    if chromium() is None:
        return "needs Chromium: apt-get install chromium, or CHROMIUM=PATH"
    if find_spec("playwright") is None:
        return "needs Playwright for Python: pip install playwright"
    if not Path(os.environ.get("AXE", "")).is_file():
        return "needs axe-core: npm install axe-core, and AXE=.../axe.min.js"
    return missing(kinds)


def complaints_about(kind: str, size: Size, pictures: Path) -> list[str]:
    """Complaints about the console on one kind of cluster."""
    axe = Path(os.environ["AXE"]).read_text(encoding="utf-8")
    return asyncio.run(_look(kind, size, pictures, axe))


async def _look(kind: str, size: Size, pictures: Path, axe: str) -> list[str]:
    from tests.interop.console.browsing import Visitor  # only here: it needs Playwright

    async with cluster(kind) as servers:
        began = time.monotonic()
        await fill(servers, size)
        print(f"{kind}: filled with {size} in {time.monotonic() - began:.0f} s", flush=True)
        async with lively(servers), console_process(servers, *RIGHTS) as base:
            visitor = Visitor(base, pictures, axe)
            await visitor.run(chromium() or "")
    return visitor.complaints


def main(words: list[str]) -> int:
    """Look at both, or at those named."""
    pictures, *named = words
    kinds = kinds_in(named)
    if (why := missing_of(kinds)) is not None:
        print(f"console-check: {why}", file=sys.stderr)
        return 2
    complaints: list[str] = []
    for kind in kinds:
        folder = Path(pictures) / kind
        folder.mkdir(parents=True, exist_ok=True)
        complaints += complaints_about(kind, SMALL if "small" in named else FULL, folder)
    print(f"{len(complaints)} complaints; pictures in {pictures}")
    return min(len(complaints), 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
