"""Every page in a real browser, on a small broker of ours; `make console-check` does more."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.interop


def test_no_page_gives_reason_to_complain(tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="needs Playwright: make console-check installs it")
    axe = os.environ.get("AXE", "")
    if not axe or not Path(axe).is_file():
        pytest.skip("needs axe-core: AXE names axe.min.js, which make console-check fetches")
    if not CHROMIUM.exists():
        pytest.skip(f"needs Debian's Chromium at {CHROMIUM}")
    from tests.interop.console.check import look
    from tests.interop.console.filling import SMALL

    source = Path(axe).read_text(encoding="utf-8")
    assert asyncio.run(look("ours", SMALL, tmp_path, source)) == []
