"""What our broker tells somebody with no right, or some: row by row as Apache Kafka does."""

from __future__ import annotations

from pathlib import Path

import pytest
from minibroker.protocol.messages.describe_user_scram_credentials import (
    DescribeUserScramCredentialsRequest,
)

from tests.support.security.acl_rows import ACL_ROWS
from tests.support.security.listeners import Authority
from tests.support.security.quota_rows import QUOTA_ROWS
from tests.support.security.quotas import quota_differences
from tests.support.security.rights import differences
from tests.support.security.rights_rows import NO_RIGHT, SOME_RIGHTS, Row
from tests.support.security.secured_broker import AUTHORIZED, secured_broker

PARTS = {"no right": NO_RIGHT, "some rights": SOME_RIGHTS}


@pytest.mark.parametrize("part", PARTS)
async def test_rows(part: str, tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path), AUTHORIZED) as (_, place):
        assert await differences(place, PARTS[part]) == {}


async def test_rules_by_frames(tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path), AUTHORIZED) as (_, place):
        assert await differences(place, ACL_ROWS, as_admin=True) == {}


async def test_quotas_by_frames(tmp_path: Path) -> None:
    async with secured_broker(Authority(tmp_path), AUTHORIZED) as (_, place):
        assert await quota_differences(place, QUOTA_ROWS) == {}


async def test_where_kafka_never_answers(tmp_path: Path) -> None:
    everybody = DescribeUserScramCredentialsRequest(users=None)
    row = Row("all users", (), everybody, 0, [31])
    async with secured_broker(Authority(tmp_path), AUTHORIZED) as (_, place):
        assert await differences(place, [row]) == {}
