"""The icons: strokes in a square of 16, in the colour of the text beside them.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from markupsafe import Markup

PATHS = {
    "cluster": "M2 3.5h12v4H2zM2 8.5h12v4H2zM4.5 5.5h.01M4.5 10.5h.01",
    "topics": "M2.5 3h11M2.5 6.3h11M2.5 9.6h7M2.5 13h4",
    "groups": "M6 7.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM2 13c.3-2.4 1.9-3.8 4-3.8s3.7 1.4 4 "
    "3.8M10.5 3.4a2.1 2.1 0 0 1 0 3.9M11.8 9.6c1.3.5 2 1.7 2.2 3.4",
    "producers": "M2 8h3M11 8h3M5 4.5h6v7H5zM7.2 6.5v3M9 6.5v3",
    "why": "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.2 6.4c.2-1 .9-1.5 1.8-1.5 1 0 1.8.6 1.8 1.6 0 "
    "1.3-1.8 1.5-1.8 2.700M8 11.300h.01",
    "transactions": "M3 5.500h9.500M10 3l2.5 2.500L10 8M13 10.500H3.500M6 8l-2.5 2.500L6 13",
    "faults": "M9 1.8 3.5 9H8l-1 5.200L12.5 7H8z",
    "lesson": "M2 4l6-2 6 2-6 2zM4 5v4c1 1.2 2.4 1.8 4 1.800s3-.6 4-1.800V5M14 4v4",
    "search": "M7 11.500a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3 14 14",
    "theme": "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
    "menu": "M2.5 4h11M2.5 8h11M2.5 12h11",
    "right": "M6 3.5 10.5 8 6 12.5",
    "left": "M10 3.5 5.5 8l4.5 4.5",
    "down": "M8 2.500v9M4.5 8 8 11.5 11.5 8M3 13.500h10",
    "warning": "M8 2 14.5 13.500h-13zM8 6.500v3.500M8 11.800h.01",
    "ok": "M3 8.5 6.5 12 13 4.5",
    "stop": "M4 4l8 8M12 4l-8 8",
    "out": "M9.5 2.500h-6v11h6M6.5 8H14M11.5 5.5 14 8l-2.5 2.5",
    "plus": "M8 3v10M3 8h10",
    "lock": "M4 7h8v6.500H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
}


def icon(name: str) -> Markup:
    """One icon, for the eyes only: what it means stands beside it in words."""
    return Markup(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
        '<path d="{}"/></svg>'
    ).format(PATHS[name])
