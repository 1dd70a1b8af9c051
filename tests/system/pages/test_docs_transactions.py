"""Every Python block of docs/transactions.md runs, and prints what stands behind its prints."""

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

PAGE = (Path(__file__).parents[3] / "docs" / "transactions.md").read_text(encoding="utf-8")
BLOCK = r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```"
BLOCKS = re.findall(BLOCK, PAGE, re.DOTALL | re.MULTILINE)
EXPECTED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
BOUND_S = 30


def test_every_block_stands_in_a_section_of_its_own() -> None:
    assert len(BLOCKS) == PAGE.count("```python") > 2


@pytest.mark.parametrize(("title", "code"), BLOCKS, ids=[title for title, _ in BLOCKS])
async def test_a_block_prints_what_it_says(title: str, code: str) -> None:
    printed = StringIO()
    async with running_broker() as runtime:
        here = code.replace("127.0.0.1:9092", f"127.0.0.1:{runtime.bound[0].port}")
        assert here != code
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        program = compile(here, f"docs/transactions.md, {title}", "exec", flags=flags)
        with redirect_stdout(printed):
            async with asyncio.timeout(BOUND_S):
                await cast(Awaitable[None], eval(program, {"__name__": "snippet"}))
    assert printed.getvalue().splitlines() == EXPECTED.findall(code)
