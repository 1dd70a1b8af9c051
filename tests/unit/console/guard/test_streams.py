"""Bounds of live views: in all, and for one."""

from __future__ import annotations

import pytest
from minibroker.console.guard.streams import Streams, TooMany


def test_no_more_than_its_bounds_are_open_at_once() -> None:
    streams = Streams(in_all=3, each=2)
    with streams.one("a"), streams.one("a"):
        with pytest.raises(TooMany), streams.one("a"):
            pass
        with streams.one("b"), pytest.raises(TooMany), streams.one("c"):
            pass
    with streams.one("a"), streams.one("a"):  # all places were given back
        pass
