"""Producers and verdicts on the pages: what the broker remembers, and why it answered as it did."""

from __future__ import annotations

import re

from minibroker.client.producer import Producer
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on


async def test_a_window_shows_the_five_newest_batches_and_what_comes_next() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        async with Producer(broker.bootstrap_servers) as producer:
            for number in range(7):
                await producer.send_and_wait("orders", b"%d" % number)
        async with console_on(broker.bootstrap_servers) as browser:
            text = await browser.text("/producers?topic=orders")
            told = re.findall(r'aria-label="(sequences[^"]*)"', text)
            batches = "; ".join(f"{n} at offset {n}" for n in range(2, 7))
            assert told == [f"sequences {batches}; next 7"]
            assert "nothing is stored" in text


async def test_a_retry_is_explained_and_the_list_can_be_filtered() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        broker.faults.lose_reply("Produce", topic="orders", times=1)
        async with Producer(broker.bootstrap_servers, client_id="<b>shop</b>") as producer:
            await producer.send_and_wait("orders", b"x")
        async with console_on(broker.bootstrap_servers) as browser:
            text = await browser.text("/why")
            assert "retry of the batch at offset 0: answered with 0, nothing stored" in text
            assert "<b>shop" not in text
            only = await browser.text("/why?verdict=appended")
            assert "retry of the batch" not in only
            assert "stored at offset 0" in only


async def test_verdicts_are_seen_live() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        broker.create_topic("orders")

        async def send() -> None:
            await broker.produce("orders", b"x")

        said = await browser.events(
            "/why/live?after=0",
            until=lambda said: "event: rows" in said,
            when=lambda said: "event: state" in said,
            then=send,
        )
        assert "the first batch of this producer here" in said
