"""Every Python block of pages of programs runs, and prints what stands behind its prints."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Awaitable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import cast

import pytest

from tests.support.in_loop.runtime import running_broker

DOCS = Path(__file__).parents[3] / "docs"
AT_LEAST = {"client.md": 7, "transactions.md": 5, "sessions.md": 3}  # blocks of each page
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in AT_LEAST}
BLOCK = r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```"
BLOCKS = {
    f"{name}, {title}": code
    for name, page in PAGES.items()
    for title, code in re.findall(BLOCK, page, re.DOTALL | re.MULTILINE)
}
EXPECTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
BOUND_S = 30


@pytest.mark.parametrize("name", PAGES)
def test_every_block_stands_in_a_section_of_its_own(name: str) -> None:
    count = sum(each.startswith(f"{name}, ") for each in BLOCKS)
    assert count == PAGES[name].count("```python") >= AT_LEAST[name]


@pytest.mark.parametrize("title", BLOCKS)
async def test_a_block_prints_what_it_says(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # sessions are directories
    code, printed = BLOCKS[title], StringIO()
    async with running_broker() as runtime:
        here = code.replace("127.0.0.1:9092", f"127.0.0.1:{runtime.bound[0].port}")
        assert here != code
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        program = compile(here, f"docs/{title}", "exec", flags=flags)
        with redirect_stdout(printed):
            async with asyncio.timeout(BOUND_S):
                await cast(Awaitable[None], eval(program, {"__name__": "snippet"}))
    assert printed.getvalue().splitlines() == EXPECTED.findall(code)
