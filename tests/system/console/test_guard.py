"""What the console refuses: other names, other origins, forms without a token or a right."""

from __future__ import annotations

from minibroker.console.settings import Right
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on


async def test_every_answer_bears_the_policy() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        for path in ("/", "/none", "/assets/console.css"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
        assert (await browser.get("/")).headers["cache-control"] == "no-store"


async def test_a_name_that_is_not_ours_is_refused() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        assert (await browser.get("/", host="attacker.example")).status_code == 421
        assert (await browser.get("/", host="127.0.0.1:8080")).status_code == 200


async def test_a_form_without_its_token_changes_nothing() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        async with console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser:
            await browser.get("/topics")  # has its cookie
            path, form = "/topics/orders/produce", {"value": "x"}
            for token in ("", "0" * 64):
                answer = await browser.client.post(path, data={**form, "csrf": token})
                assert answer.status_code == 403
            answer = await browser.client.post(
                path, data=form, headers={"origin": "http://attacker.example"}
            )
            assert answer.status_code == 403
        assert broker.records("orders") == []


async def test_who_may_only_read_changes_nothing() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        async with console_on(broker.bootstrap_servers, rights=[Right.FAULTS]) as browser:
            page = "/topics/orders/produce"
            assert "--allow changes" in await browser.text(page)
            answer = await browser.post(page, from_page="/groups", value="x")
            assert answer.status_code == 403
        assert broker.records("orders") == []


async def test_a_form_has_a_bound() -> None:
    async with (
        TestBroker() as broker,
        console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser,
    ):
        answer = await browser.client.post("/topics/x/produce", data={"value": "x" * 2_100_000})
        assert answer.status_code == 413
