"""The templates: escaped everywhere, strict about names, with the filters of this folder.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from ..settings import Right
from . import values, words
from .icons import icon
from .sparks import spark
from .windows import window

TEMPLATES = Path(__file__).parents[1] / "templates"


def environment() -> jinja2.Environment:
    """The templates of the console."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    filters = (
        *(words.number, words.compact, words.size, words.duration, words.moment, words.clock),
        *(words.visible, words.shortened, values.preview),
    )
    made.filters.update({each.__name__: each for each in filters})
    made.globals.update(icon=icon, spark=spark, window=window, span=words.span, Right=Right)
    for name in made.list_templates():
        made.get_template(name)  # compiled now: the first who asks need not wait for it
    return made
