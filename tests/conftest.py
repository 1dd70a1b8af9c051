"""What tests of several folders share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How fast a busy machine draws and checks an example is no property of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_collection_finish() -> None:
    """What has been imported and collected stays to the end: the collector need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def garbage_of_clients() -> Iterator[None]:
    """What foreign clients leave unclosed is found in their own test, not in a later one."""
    yield
    gc.collect()
