"""EDGE: a real browser at the console: every page, two widths, two themes; pictures, complaints.

Complaints are what nobody may find: something loaded from elsewhere, a script of a record that ran,
an error of the browser's, a page wider than the screen, what axe-core has to say.
Read next: pressing.py, what is done with forms and buttons.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.interop.console.pressing import Pressing, form_is_taken, lesson_is_taken, losses

WIDTHS = {1280: 800, 390: 844}
THEMES = ("light", "dark")
SETTLES_MS = 400  # what a page loads behind itself
PATHS = (
    *("/", "/topics", "/topics?page=2", "/topics/orders", "/topics/orders/configs"),
    *("/topics/orders/messages", "/topics/orders/messages?view=batches&partition=0"),
    *("/topics/million/messages?partition=1", "/topics/orders/messages?key=c-7"),
    *("/topics/orders/records/0/3", "/topics/odd/messages", "/topics/orders/live"),
    *("/topics/orders/produce", "/groups", "/groups/readers", "/groups/group-001"),
    "/groups/group-001/reset?goal=earliest",
    *("/producers?topic=orders", "/why", "/transactions", "/transactions/billing-open", "/faults"),
    *("/lesson", "/topics/none"),
    *(f"/topics/odd/records/0/{offset}" for offset in range(9)),
)
PICTURED = 24  # of the paths, in each width and theme; the rest is looked at once


class Visitor:
    """One run over all pages.

    Attributes:
        complaints: what nobody may find.
    """

    def __init__(self, base: str, pictures: Path, axe: str) -> None:
        self._base = base
        self._pictures = pictures
        self._axe = axe
        self.complaints: list[str] = []
        self._where = ""

    async def run(self, chromium: str, paths: Sequence[str] = PATHS) -> None:
        """Visit every page."""
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox"]
            )
            for width, height in WIDTHS.items():
                for theme in THEMES:
                    await self._with(browser, width, height, theme, paths)
            await browser.close()

    async def _with(
        self, browser: Browser, width: int, height: int, theme: Any, paths: Sequence[str]
    ) -> None:
        context = await browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
        )
        page = await context.new_page()
        page.on("request", lambda request: self._look_at(request.url))
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self._complain(f"the page failed: {error}"))
        page.on("dialog", lambda dialog: self._complain(f"a record's script ran: {dialog.message}"))
        is_first = (width, theme) == (next(iter(WIDTHS)), THEMES[0])
        for number, path in enumerate(paths if is_first else paths[:PICTURED]):
            self._where = f"{path} at {width}, {theme}"
            await page.goto(self._base + path)
            await page.wait_for_timeout(SETTLES_MS)
            await page.locator(".htmx-request").first.wait_for(state="detached")
            await self._look(page, path if number < PICTURED else "")
        for done in (form_is_taken, losses, lesson_is_taken):
            self._where = f"{done.__name__} at {width}, {theme}"
            for complaint in await done(Pressing(page, self._base, self._look)):
                self._complain(complaint)
        await context.close()

    async def _look(self, page: Page, path: str) -> None:
        """Hold against a page what there is to say; with a path, a picture is taken, too."""
        viewport = page.viewport_size
        assert viewport is not None
        width = viewport["width"]
        if path:
            theme = self._where.rpartition(" ")[2]
            name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "cluster"
            picture = self._pictures / f"{name[:60]}-{width}-{theme}.png"
            await page.screenshot(path=picture, full_page=True)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            self._complain(f"the page is {wide} wide")
        await page.evaluate(self._axe)
        found = await page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ')))"
        )
        for each in found:
            self._complain(f"axe: {each}")

    def _look_at(self, url: str) -> None:
        if not url.startswith((self._base, "data:")):
            self._complain(f"loads {url}")

    def _hear(self, kind: str, text: str) -> None:
        is_of_the_answer = "the server responded with a status of 404" in text
        if kind in ("error", "warning") and not is_of_the_answer:
            self._complain(f"the browser says: {text}")

    def _complain(self, text: str) -> None:
        complaint = f"{self._where}: {text}"
        print(complaint, flush=True)
        self.complaints.append(complaint)
