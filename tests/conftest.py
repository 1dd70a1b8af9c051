"""What tests of several folders share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def garbage_of_clients() -> Iterator[None]:
    """What foreign clients leave unclosed is found in their own test, not in a later one."""
    yield
    gc.collect()
