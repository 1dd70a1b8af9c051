"""Answers are shared and kept for a moment; failures are not."""

from __future__ import annotations

import asyncio

import pytest
from minibroker.console.reading.cached import AGE_S_MAX, KEPT_MAX, Cached


class Asked:
    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> int:
        self.count += 1
        await asyncio.sleep(0)
        return self.count


async def test_who_asks_meanwhile_shares_the_question() -> None:
    now_s = [0.0]
    cached, asked = Cached(lambda: now_s[0]), Asked()
    assert await asyncio.gather(*(cached.get("a", 1, asked) for _ in range(5))) == [1] * 5
    now_s[0] = 0.9
    assert await cached.get("a", 1, asked) == 1
    now_s[0] = 1.0
    assert await cached.get("a", 1, asked) == 2
    cached.forget()
    assert await cached.get("a", 1, asked) == 3


async def test_what_takes_long_to_ask_is_kept_longer_within_bounds() -> None:
    now_s = [0.0]
    cached, count = Cached(lambda: now_s[0]), 0

    async def ask() -> int:
        nonlocal count
        count += 1
        now_s[0] += 0.1
        return count

    assert await cached.get("a", 1, ask, times=50) == 1
    now_s[0] = 4.9
    assert await cached.get("a", 1, ask, times=50) == 1
    now_s[0] = 5.0
    assert await cached.get("a", 1, ask, times=1_000) == 1
    now_s[0] = AGE_S_MAX
    assert await cached.get("a", 1, ask, times=1_000) == 2


async def test_what_failed_is_asked_again() -> None:
    cached = Cached(lambda: 0.0)

    async def fail() -> int:
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):  # noqa: PT011  its own
            await cached.get("a", 100, fail)
    assert await cached.get("a", 100, Asked()) == 1


async def test_who_gives_up_does_not_end_the_question() -> None:
    cached, asked = Cached(lambda: 0.0), Asked()
    first = asyncio.ensure_future(cached.get("a", 1, asked))
    await asyncio.sleep(0)
    first.cancel()
    assert await cached.get("a", 1, asked) == 1


async def test_no_more_are_kept_than_its_bound() -> None:
    cached = Cached(lambda: 0.0)
    asked = Asked()
    for key in range(KEPT_MAX + 1):
        await cached.get(key, 1, asked)
    await cached.get(0, 1, asked)
    assert asked.count == KEPT_MAX + 2
