"""Every test that takes `storage` runs on the real disk and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.broker.log.files import FileStorage
from minibroker.broker.log.memory import MemoryStorage
from minibroker.broker.log.storage import Storage


@pytest.fixture(params=["disk", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage = FileStorage(str(tmp_path)) if request.param == "disk" else MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FileStorage]:
    made = FileStorage(str(tmp_path))
    yield made
    made.close()
