"""What tests of several folders share."""

from __future__ import annotations

import gc
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A file all of whose tests have one of these marks.
MARKED = re.compile(
    r"^pytestmark = (?:\[\s*)?pytest\.mark\.(crash|interop|bench|docker)\b", re.MULTILINE
)

# How fast a busy machine draws and checks an example is no property of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether nothing of a file is asked for: what is imported and made of it takes long.

    A third of all tests is marked so; each worker would collect them only to leave them out.
    """
    if collection_path.suffix != ".py":
        return None
    found = MARKED.search(collection_path.read_text(encoding="utf-8"))
    return True if found and f"not {found[1]}" in config.option.markexpr else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end: the collector need not look at it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture
def garbage_of_clients() -> Iterator[None]:
    """What foreign clients leave unclosed is found in their own test, not in a later one."""
    yield
    gc.collect()
