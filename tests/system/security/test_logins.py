"""What our listeners with SASL answer, row by row as Apache Kafka does."""

from __future__ import annotations

import pytest

from tests.support.security.listeners import Authority
from tests.support.security.rows import PARTS, differences
from tests.support.security.secured_broker import secured_broker


@pytest.mark.parametrize("part", PARTS)
async def test_rows(part: str, authority: Authority) -> None:
    async with secured_broker(authority) as (_, place):
        assert await differences(place, PARTS[part]) == {}
