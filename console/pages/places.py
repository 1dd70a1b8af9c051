"""The places that the navigation shows, in its order. Pure.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """One entry of the navigation.

    Attributes:
        path: where it leads; it is marked as current for every path below.
        key: the letter after `g` that leads there.
    """

    name: str
    title: str
    path: str
    key: str


PLACES = (
    Place("cluster", "Cluster", "/", "c"),
    Place("topics", "Topics", "/topics", "t"),
    Place("groups", "Groups", "/groups", "g"),
    Place("producers", "Producers", "/producers", "p"),
    Place("why", "Why", "/why", "w"),
    Place("transactions", "Transactions", "/transactions", "x"),
    Place("faults", "Faults", "/faults", "f"),
    Place("lesson", "Lesson", "/lesson", "l"),
)
