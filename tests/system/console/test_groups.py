"""Consumer groups on the pages: lag, and a reset that does what was shown."""

from __future__ import annotations

import re
from html import unescape

from minibroker.client.admin import Admin
from minibroker.client.partitions import TopicPartition
from minibroker.console.settings import Right
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on

MOVES = re.compile(r'name="(move-\d+)" value="([^"]*)"')
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
