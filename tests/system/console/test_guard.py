"""What the console refuses: other names, other origins, forms without a token or a right."""

from __future__ import annotations

from minibroker.console.guard.streams import STREAMS_MAX
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


async def test_live_views_have_a_bound_and_give_their_places_back() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        broker.create_topic("orders")
        await browser.get("/topics")
        for _ in range(STREAMS_MAX + 1):  # one after the other: each gives back what it took
            said = await browser.events("/why/live", until=lambda said: "event: state" in said)
            assert "event: state" in said


async def test_odd_numbers_are_brought_inside_their_bounds() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        broker.create_topic("orders")
        for number in ("9" * 30, str(2**63 - 1), str(2**31), "-5", "--5", "x", "1e9", "²", ""):
            for path in (
                f"/producers?topic=orders&partition={number}&id={number}",
                f"/why?partition={number}&id={number}",
                f"/topics?page={number}",
                f"/topics/orders/messages?partition={number}&limit={number}&before={number}",
                f"/topics/orders/messages?start=offset&at={number}",
                f"/topics/orders/messages?start=time&at={number}",
                f"/groups?page={number}",
            ):
                assert (await browser.get(path)).status_code in (200, 400, 404, 502), path


async def test_a_form_has_a_bound() -> None:
    async with (
        TestBroker() as broker,
        console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser,
    ):
        answer = await browser.client.post("/topics/x/produce", data={"value": "x" * 2_100_000})
        assert answer.status_code == 413
