"""Every page in a real browser, on a small broker of ours; `make console-check` does more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.console.check import complaints_about, missing_of
from tests.interop.console.filling import SMALL

pytestmark = pytest.mark.interop


def test_no_page_gives_reason_to_complain(tmp_path: Path) -> None:
    if (why := missing_of(["ours"])) is not None:
        pytest.skip(f"{why} (make console-check fetches what can be)")
    assert complaints_about("ours", SMALL, tmp_path) == []
