"""What our listeners with SASL answer, row by row as Apache Kafka does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.security.credential_rows import CREDENTIALS
from tests.support.security.listeners import PROTOCOLS, Authority
from tests.support.security.rows import PARTS, differences
from tests.support.security.secured_broker import secured_broker
from tests.support.security.token_rows import TOKEN_LISTENERS, token_rows, token_settings


@pytest.mark.parametrize("part", PARTS)
async def test_rows(part: str, authority: Authority) -> None:
    async with secured_broker(authority) as (_, place):
        assert await differences(place, PARTS[part]) == {}


async def test_credential_rows(authority: Authority) -> None:
    async with secured_broker(authority) as (_, place):
        assert await differences(place, CREDENTIALS) == {}


async def test_token_rows(authority: Authority, tmp_path: Path) -> None:
    more = dict(token_settings(tmp_path))
    more["listener.security.protocol.map"] = ",".join(
        (
            *(f"{name}:{each}" for name, each in PROTOCOLS.items()),
            *(f"{name}:SASL_PLAINTEXT" for name in TOKEN_LISTENERS),
        )
    )
    more["listeners"] = ",".join(f"{name}://127.0.0.1:0" for name in (*PROTOCOLS, *TOKEN_LISTENERS))
    async with secured_broker(authority, more) as (_, place):
        assert await differences(place, token_rows()) == {}
