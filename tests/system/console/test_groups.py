"""Consumer groups on the pages: lag, and a reset that does what was shown."""

from __future__ import annotations

import re
from html import unescape

import pytest
from minibroker.client.admin import Admin
from minibroker.client.consumer import Consumer
from minibroker.client.partitions import TopicPartition
from minibroker.console.reading import many_groups
from minibroker.console.settings import Right
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on

MOVES = re.compile(r'name="(move-\d+)" value="([^"]*)"')
ROW = re.compile(
    r'<td class="n wide">(\d+)</td><td class="n wide">\d+</td>\s*'
    r'<td class="n">(?:<b>|<span class="dim">)(\d+)<'
)
PER_GROUP = ("FindCoordinator", "DescribeGroups", "OffsetFetch")
FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


async def test_lag_is_told_and_a_reset_does_what_was_shown() -> None:
    async with TestBroker() as broker, Admin(broker.bootstrap_servers) as admin:
        broker.create_topic("orders", 2)
        await broker.produce("orders", *(b"%d" % n for n in range(10)), partition=0)
        await admin.alter_group_offsets("billing", {FIRST: 3, SECOND: 0})
        async with console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser:
            assert "<b>7</b>" in await browser.text("/groups")
            preview = "/groups/billing/reset?topic=orders&goal=shift&at=4"
            moves = dict(MOVES.findall(unescape(await browser.text(preview))))
            assert sorted(moves.values()) == ["0 3 7 orders", "1 0 0 orders"]
            reset = "/groups/billing/reset"
            assert (await browser.post(reset, from_page=preview, **moves)).status_code == 303
            now = await admin.list_group_offsets("billing")
            assert (now[FIRST].offset, now[SECOND].offset) == (7, 0)
            again = await browser.post(reset, from_page=preview, **moves)
            assert again.status_code == 400
            assert "look again" in again.text


@pytest.mark.parametrize("is_together", [True, False])
async def test_many_groups_are_asked_for_together_where_brokers_can(
    is_together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_together:
        monkeypatch.setattr(many_groups, "SEVERAL_GROUPS_SINCE", 100)
    async with (
        TestBroker() as broker,
        Admin(broker.bootstrap_servers) as admin,
        Consumer("orders", bootstrap_servers=broker.bootstrap_servers, group_id="x-0") as member,
    ):
        broker.create_topic("orders", 2)
        await broker.produce("orders", *(b"%d" % n for n in range(10)), partition=0)
        for number in range(1, 6):
            await admin.alter_group_offsets(f"x-{number}", {FIRST: number, SECOND: 0})
        await member.getmany(timeout_ms=5_000)
        await member.commit()
        async with console_on(broker.bootstrap_servers) as browser:
            broker.forget_history()
            text = await browser.text("/groups")
            without_members = [("0", f"{10 - number}") for number in range(1, 6)]
            assert ROW.findall(text) == [("1", "0"), *without_members]
            asked = [each.api for each in broker.history("minibroker-console")]
            count = sum(each in PER_GROUP for each in asked)
            assert count == (2 if is_together else 6 * 4), asked


async def test_a_group_of_any_name_has_its_page() -> None:
    async with TestBroker() as broker, Admin(broker.bootstrap_servers) as admin:
        broker.create_topic("orders")
        name = "a/b <i>&?#%2F"
        await admin.alter_group_offsets(name, {FIRST: 0})
        async with console_on(broker.bootstrap_servers) as browser:
            text = await browser.text("/groups")
            (link,) = re.findall(r'href="(/groups/[^"]+)"', text)
            assert "<i>" not in text
            assert "orders" in await browser.text(unescape(link))
