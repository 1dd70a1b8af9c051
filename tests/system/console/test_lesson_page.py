"""The page of the lesson: from its beginning to its end, as a browser goes through it."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from minibroker.console.lesson import sandbox, sandboxes
from minibroker.console.lesson.moves import Move
from minibroker.testing import ChildBroker

from tests.support.console.browsing import Browser, console_on

NOBODY = "127.0.0.1:1"  # the lesson needs no cluster


async def press(browser: Browser, move: Move) -> str:
    """Press a button; the part of the page that comes back."""
    page = await browser.text("/lesson")
    token = re.search(r'name="csrf" value="(\w+)"', page)
    assert token is not None
    answer = await browser.client.post(
        "/lesson/make", data={"csrf": token[1], "move": move}, headers={"hx-request": "true"}
    )
    assert answer.status_code == 200, answer.text[-2000:]
    assert "<html" not in answer.text
    return await settled(browser, answer.text)


async def settled(browser: Browser, page: str) -> str:
    """A page once nothing is being done any more."""
    async with asyncio.timeout(60):
        while "at work</span>" in page or "The sandbox starts" in page:
            page = await browser.text("/lesson")
    return page


def drawn_log(page: str) -> str:
    return "".join(re.findall(r'data-value="([^"]*)"', page))


async def test_a_lesson_from_beginning_to_end() -> None:
    async with console_on(NOBODY) as browser:
        assert "Start the lesson" in await browser.text("/lesson")
        begun = await browser.post("/lesson/begin", from_page="/lesson")
        assert (begun.status_code, begun.headers["location"]) == (303, "/lesson")
        assert "Send x" in await settled(browser, await browser.text("/lesson"))
        await press(browser, Move.SEND)
        await press(browser, Move.LOSE_ACK)
        page = await press(browser, Move.SEND)
        assert drawn_log(page) == "xy"
        assert "nothing is stored twice" in page
        assert "not true" not in page
        assert drawn_log(await browser.text("/lesson")) == "xy"  # as it was, when loaded anew
        refused = await press(browser, Move.COMMIT)
        assert "Not made: no transaction is open." in refused
        await browser.post("/lesson/end", from_page="/lesson")
        assert "Start the lesson" in await browser.text("/lesson")


async def test_each_browser_has_its_own_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes, "LESSONS_MAX", 1)
    async with console_on(NOBODY) as browser:
        await browser.post("/lesson/begin", from_page="/lesson")
        other = Browser(browser.app)
        assert "Start the lesson" in await other.text("/lesson")
        answer = await other.post("/lesson/begin", from_page="/lesson")
        assert answer.status_code == 503
        assert "1 take the lesson already" in answer.text
        await other.client.aclose()


async def test_nobody_waits_while_processes_start(monkeypatch: pytest.MonkeyPatch) -> None:
    is_made, go_on = threading.Event(), threading.Event()

    class SlowBroker(ChildBroker):
        def __init__(self, **options: Any) -> None:
            is_made.set()
            go_on.wait(5)
            super().__init__(**options)

    monkeypatch.setattr(sandbox, "ChildBroker", SlowBroker)
    async with console_on(NOBODY) as browser:
        begun = asyncio.ensure_future(browser.post("/lesson/begin", from_page="/lesson"))
        other = Browser(browser.app)
        async with asyncio.timeout(4):
            await asyncio.to_thread(is_made.wait, 4)
            assert "Start the lesson" in await other.text("/lesson")
        go_on.set()
        assert (await begun).status_code == 303
        await other.client.aclose()


@pytest.mark.parametrize("while_in", ["__init__", "start"])
async def test_who_leaves_at_once_leaves_nothing(
    while_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_in = threading.Event()
    usual = getattr(ChildBroker, while_in)

    def slowly(self: ChildBroker, **options: Any) -> None:
        is_in.set()
        usual(self, **options)
        made.append(self)

    made: list[ChildBroker] = []
    monkeypatch.setattr(ChildBroker, while_in, slowly)
    async with console_on(NOBODY) as browser:
        await browser.post("/lesson/begin", from_page="/lesson")
        await asyncio.to_thread(is_in.wait, 20)
    (broker,) = made
    assert not broker.is_running
    assert not broker._directory.exists()


async def test_a_lesson_ended_before_it_has_begun() -> None:
    lessons = sandboxes.Sandboxes(asyncio.get_running_loop().time)
    await lessons.begin("somebody")
    await lessons.end("somebody")  # without a turn of the loop between the two
    await lessons.close()


async def test_a_form_of_another_and_a_move_that_is_none() -> None:
    async with console_on(NOBODY) as browser:
        await browser.text("/lesson")
        foreign = await browser.client.post("/lesson/begin", data={"csrf": "no"})
        assert foreign.status_code == 403
        answer = await browser.post("/lesson/make", from_page="/lesson", move="fly")
        assert answer.status_code == 400
