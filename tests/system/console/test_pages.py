"""Every page of the console on a broker of ours: it answers, in words, and from nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import minibroker.console
import pytest
from minibroker.client.admin import Admin
from minibroker.client.producer import Producer
from minibroker.console.pages import cluster
from minibroker.console.pages.places import PLACES
from minibroker.console.reading.kafka import Kafka
from minibroker.console.showing.environment import environment
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on

ROOM = Path(next(iter(minibroker.console.__path__)))
ELSEWHERE = re.compile(r"""(?:src|href|action|url)\s*[=(:]\s*["']?(?:https?:)?//""")


async def test_the_first_page_says_what_an_acknowledgement_means() -> None:
    async with (
        TestBroker(durability="memory") as broker,
        console_on(broker.bootstrap_servers) as browser,
    ):
        text = await browser.text("/")
        assert "In memory only" in text
        assert broker.bootstrap_servers in text


async def test_a_broker_of_ours_tells_how_it_is() -> None:
    async with TestBroker(durability="fsync") as broker:
        await broker.produce("orders", b"x", b"y")
        async with console_on(broker.bootstrap_servers) as browser:
            text = await browser.text("/cluster/figures")
            assert re.search(r"Records stored</dt><dd>2 ", text)
            assert "it breaks on purpose" in text  # as every broker under test may
            assert "power loss" in await browser.text("/")


async def test_topics_are_listed_searched_and_paged() -> None:
    async with TestBroker() as broker:
        for number in range(60):
            broker.create_topic(f"topic-{number:02}")
        async with console_on(broker.bootstrap_servers) as browser:
            first = await browser.text("/topics")
            assert "topic-00" in first
            assert "topic-59" not in first
            assert "topic-59" in await browser.text("/topics?page=2")
            found = (await browser.get("/topics?q=ic-31", hx_request="true")).text
            assert "topic-31" in found
            assert "topic-30" not in found
            assert "<html" not in found


async def test_a_topic_shows_partitions_configs_and_what_it_holds() -> None:
    async with TestBroker() as broker, Admin(broker.bootstrap_servers) as admin:
        configs = {"retention.ms": "123456"}
        await admin.create_topic("orders", num_partitions=2, configs=configs)
        async with Producer(broker.bootstrap_servers) as producer:
            await producer.send_and_wait("orders", b"x", partition=1)
        async with console_on(broker.bootstrap_servers) as browser:
            assert "orders" in await browser.text("/topics/orders")
            assert "123456" in await browser.text("/topics/orders/configs")


async def test_what_is_not_there_is_said_in_words() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        assert "UNKNOWN_TOPIC_OR_PARTITION" in await browser.text("/topics/none", 404)
        assert "no such page" in await browser.text("/none", 404)


async def test_without_a_broker_each_page_says_so() -> None:
    async with console_on("127.0.0.1:1") as browser:
        assert "cannot connect" in await browser.text("/topics", 502)


@pytest.mark.parametrize("path", [place.path for place in PLACES])
async def test_every_place_of_the_navigation_is_there(path: str) -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        text = await browser.text(path)
        assert 'aria-current="page"' in text
        assert not ELSEWHERE.search(text)


def test_nothing_is_loaded_from_elsewhere() -> None:
    files = [*ROOM.glob("assets/*"), *ROOM.glob("templates/**/*.html")]
    assert len(files) > 10
    for file in files:
        if file.suffix in (".html", ".css", ".js"):
            text = file.read_text(encoding="utf-8")
            assert not ELSEWHERE.search(text), file
            assert "@import" not in text, file


def test_every_template_can_be_read() -> None:
    made = environment()
    for name in made.list_templates():
        made.get_template(name)


def test_no_template_has_scripts_or_styles_within() -> None:
    for file in ROOM.glob("templates/**/*.html"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|hx-on|javascript:", text
        ), file
        assert "|safe" not in text, file
        assert "autoescape" not in text, file


def test_the_licence_of_what_is_not_ours_lies_beside_it() -> None:
    text = (ROOM / "assets" / "LICENSE.htmx.txt").read_text(encoding="utf-8")
    assert "Zero-Clause BSD" in text or "0BSD" in text or "Zero Clause" in text
    assert "htmx.min.js" in text
    assert "sse.js" in text


async def test_brokers_that_do_not_tell_how_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(kafka: Kafka) -> None:
        return None

    monkeypatch.setattr(cluster, "status_of", told)
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        assert "Records in" not in await browser.text("/")
        assert "do not tell how they are" in await browser.text("/cluster/figures")
