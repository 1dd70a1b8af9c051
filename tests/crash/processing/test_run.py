"""How many runs go on at a time, and what is counted of them."""

from __future__ import annotations

import asyncio

from tests.crash.processing.run import at_a_time


async def test_what_is_wrong_is_counted_though_other_runs_go_on() -> None:
    async def one(number: int) -> list[str]:
        await asyncio.sleep(0)
        return ["wrong"] * number

    assert await at_a_time(2, one, range(5)) == 10
