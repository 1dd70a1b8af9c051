"""Every test that takes `storage` runs on the real disk, a simulated one and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from minibroker.broker.storage.files import FileStorage
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.storage.port import Storage
from minibroker.testing.simulated_disk import SimulatedDisk
from minibroker.testing.simulated_storage import SimulatedStorage


@pytest.fixture(params=["disk", "simulated", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    made: Storage
    if request.param == "disk":
        made = FileStorage(str(tmp_path))
    elif request.param == "simulated":
        made = SimulatedStorage(SimulatedDisk(Random(1)))
    else:
        made = MemoryStorage()
    yield made
    made.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FileStorage]:
    made = FileStorage(str(tmp_path))
    yield made
    made.close()
