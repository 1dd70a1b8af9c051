"""Transactions on the pages: what is open, what waits for it, and its end by force."""

from __future__ import annotations

from minibroker.client.admin import Admin
from minibroker.client.errors import ClientError
from minibroker.client.producer import Producer
from minibroker.console.settings import Right
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on


async def test_what_is_open_is_shown_with_what_waits_and_can_be_aborted() -> None:
    async with (
        TestBroker() as broker,
        Producer(broker.bootstrap_servers, transactional_id="billing") as producer,
        Admin(broker.bootstrap_servers) as admin,
        console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser,
    ):
        broker.create_topic("orders")
        await broker.produce("orders", b"before")
        open_one = producer.transaction()
        await open_one.__aenter__()
        await (await producer.send("orders", b"open"))
        await broker.produce("orders", b"behind")
        listed = await browser.text("/transactions")
        assert "billing" in listed
        assert ">open<" in listed
        here = "/transactions/billing"
        text = await browser.text(here)
        assert "What readers of committed records wait for" in text
        assert "<b>2</b>" in text
        assert (await browser.post(f"{here}/abort", from_page=here)).status_code == 303
        state = (await admin.describe_transactions(["billing"]))["billing"].state
        assert state not in ("Ongoing", "PrepareCommit", "CompleteCommit")
        try:
            await open_one.__aexit__(None, None, None)
        except ClientError:
            pass  # it was fenced, which is what aborting it is for
        else:
            raise AssertionError("it was aborted, and its producer was not told")
