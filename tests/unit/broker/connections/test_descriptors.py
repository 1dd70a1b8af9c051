"""Descriptors are divided so that something is left for what must not fail."""

from __future__ import annotations

import pytest
from minibroker.broker.connections.descriptors import divided
from minibroker.broker.limits import DESCRIPTORS_RESERVED, OPEN_FILES_MAX


@pytest.mark.parametrize("limit", [0, 10, 64, 66, 256, 1024, 4096, 2**20])
def test_all_shares_together_leave_the_reserve(limit: int) -> None:
    share = divided(limit)
    assert share.limit == limit
    assert 1 <= share.open_files_max <= OPEN_FILES_MAX
    assert share.connections_max >= 1
    used = share.connections_max + share.open_files_max
    assert used <= max(limit - DESCRIPTORS_RESERVED, 2)


def test_with_many_the_log_files_have_their_bound_and_clients_the_rest() -> None:
    share = divided(20_000)
    assert share.open_files_max == OPEN_FILES_MAX
    assert share.connections_max == 20_000 - DESCRIPTORS_RESERVED - OPEN_FILES_MAX
