"""minibroker.testing offers its names without importing what nobody asks for."""

from __future__ import annotations

import subprocess
import sys

import minibroker.testing
import pytest
from minibroker.testing import Acknowledged, Broken, Failed, Finding, Kept, Sent, findings

BOUND_S = 60


@pytest.mark.parametrize("name", minibroker.testing.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(minibroker.testing, name).__doc__


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Findings'"):
        _ = minibroker.testing.Findings  # type: ignore[attr-defined]


def test_the_history_checker_is_public() -> None:
    sent = [
        Sent(0, b"x", Acknowledged(0)),
        Sent(0, b"y", Acknowledged(1)),
        Sent(0, b"z", Failed(possibly_persisted=True, why="too late")),
    ]
    assert findings(sent, {0: [Kept(0, b"x"), Kept(1, b"y")]}) == []
    (found,) = findings(sent, {0: [Kept(0, b"x"), Kept(1, b"y"), Kept(2, b"y")]})
    assert isinstance(found, Finding)
    assert found.broken is Broken.DUPLICATED


def test_the_history_checker_comes_alone() -> None:
    code = """if True:
        import sys, minibroker.testing
        before = {name for name in sys.modules if name.startswith("minibroker.")}
        assert before == {"minibroker.testing"}, before
        from minibroker.testing import findings
        ours = {name for name in sys.modules if name.startswith("minibroker.")}
        histories = "minibroker.testing.histories"
        assert ours == {"minibroker.testing", histories, f"{histories}.history"}, ours
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=BOUND_S)
