"""EDGE: what a browser does with the console besides looking: a form, a fault, the lesson.

Each returns what there is to complain about.
Read first: browsing.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from playwright.async_api import Error, Page

# What is pressed in the lesson, what the page says then, and what the picture is called.
LESSON = (
    ("Start the lesson", "Send x: it goes to the broker", "begun"),
    ("Send x", "x is appended at offset 0", ""),
    ("Lose the next acknowledgement", "Now send y", ""),
    ("Send y", "y comes again with the same PID", "recognised"),
    ("Idempotence off", "Idempotence is off", ""),
    ("Lose the next acknowledgement", "Now send z", ""),
    ("Send z", "nothing tells it from a new one", "doubled"),
    ("Hold the next acknowledgement", "Now send a", ""),
    ("Send a", "a is stored, and the producer cannot know", "held"),
    ("Kill the broker", "SIGKILL: the broker is gone", "killed"),
    ("Start the broker", "The broker starts and reads its log", "started"),
    ("Durable session", "A durable session", ""),
    ("Hold the next acknowledgement", "Now send b", ""),
    ("Send b", "b is stored, and the producer cannot know", ""),
    ("Kill the producer, start it again", "It opens the session", "session"),
    ("Transactions", "A transactional id", ""),
    ("Send c", "c is appended", ""),
    ("Commit", "Committed", ""),
    ("Send d", "d is appended", ""),
    ("Abort", "Aborted", "transactions"),
    ("End the lesson and its processes", "An acknowledgement is lost", ""),
)


class Pressing(NamedTuple):
    """A page, and where it is.

    Attributes:
        look: holds the page against what nobody may find; with a name it takes a picture.
    """

    page: Page
    base: str
    look: Callable[[Page, str], Awaitable[None]]


async def form_is_taken(pressing: Pressing) -> list[str]:
    """A record is produced as browsers send forms, with an Origin; what httpx sends has none."""
    page = pressing.page
    await page.goto(pressing.base + "/topics/orders/produce")
    await page.fill("textarea[name=value]", "by a browser")
    await page.keyboard.press("Tab")
    await page.click("button.primary")
    await page.wait_for_load_state()
    await pressing.look(page, "produced")
    if "Stored once" not in await page.content():
        return [f"the form was not taken: {page.url}"]
    return []


async def losses(pressing: Pressing) -> list[str]:
    """Where the broker has faults one is armed, and released when it has fired; Why tells of it."""
    page, base = pressing.page, pressing.base
    await page.goto(base + "/faults")
    if not await page.locator("select[name=action]").count():
        return []  # a Kafka, which has none
    await page.select_option("select[name=action]", "lose_reply")
    await page.fill("input[name=topic]", "orders")
    await page.get_by_role("button", name="Arm", exact=True).click()
    await page.wait_for_load_state()
    complaints = await form_is_taken(pressing)
    await page.goto(base + "/faults")
    await pressing.look(page, "faults/fired")
    if not await page.locator("td[data-word=fired] .tag").count():
        complaints.append("the fault has not been seen to fire")
    await page.goto(base + "/why?topic=orders&verdict=duplicate")
    await pressing.look(page, "why/duplicate")
    if not await page.locator("#verdicts tr").count():
        complaints.append("no retry was recognised")
    await page.goto(base + "/faults")
    await page.get_by_role("button", name="Release all").click()
    await page.get_by_text("Nothing is armed").wait_for()
    return complaints


async def lesson_is_taken(pressing: Pressing) -> list[str]:
    """The lesson, from its beginning to its end."""
    page = pressing.page
    await page.goto(pressing.base + "/lesson")
    for button, words, name in LESSON:
        try:
            await page.get_by_role("button", name=button, exact=True).click()
            said = page.locator("#lesson :is(p, h2):visible")
            await said.filter(has_text=words).first.wait_for()
        except Error as error:
            await pressing.look(page, "lesson/failed")
            return [f"the lesson, at {button}: {error}"]
        await pressing.look(page, f"lesson/{name}" if name else "")
    return []
