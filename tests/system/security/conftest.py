"""One authority for all tests of a file."""

from __future__ import annotations

import pytest

from tests.support.security.listeners import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
