"""Kafka broker properties as tests write them: texts, numbers and booleans.

Tests: tests/unit/broker/faults/test_forms.py
"""

from __future__ import annotations

from collections.abc import Mapping

Setting = str | int | float | bool


def setting_texts(settings: Mapping[str, Setting]) -> dict[str, str]:
    """The values as a server.properties has them.

    Raises:
        TypeError: a value of another kind, which the text names.
    """
    texts = {}
    for name, value in settings.items():
        if not isinstance(value, str | int | float):
            raise TypeError(
                f"settings: {name} is {value!r}; it takes a text, a number or a boolean"
            )
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts
