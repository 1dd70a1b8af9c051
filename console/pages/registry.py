"""Every page there is; one line here and a file beside it make one.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from starlette.routing import Route

from . import (
    cluster,
    faults,
    groups,
    login,
    messages,
    produce,
    producers,
    topic,
    topics,
    transactions,
    why,
)

PAGES = (
    *(login, cluster, topics, topic, messages, produce, groups),
    *(producers, why, transactions, faults),
)


def routes() -> list[Route]:
    """The routes of all pages."""
    return [route for each in PAGES for route in each.ROUTES]
