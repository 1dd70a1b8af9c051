"""Logging in by the cluster's own SASL: each browser is who it says, and nobody else."""

from __future__ import annotations

import asyncio
from typing import cast

import httpx
import pytest
from minibroker.client.door.security_options import SecurityArguments
from minibroker.console.guard import throttle
from minibroker.console.settings import Right
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on

USER, PASSWORD = "sasl_plain_username", "sasl_plain_password"


def parted(broker: TestBroker) -> tuple[SecurityArguments, str, str]:
    """What the console is told, and what somebody types."""
    options = dict(broker.security.options())
    user, password = str(options.pop(USER)), str(options.pop(PASSWORD))
    return cast("SecurityArguments", options), user, password


async def test_nothing_is_shown_before_the_login_and_after_the_end() -> None:
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        arguments, user, password = parted(broker)
        servers = broker.bootstrap_servers
        async with console_on(servers, arguments=arguments, logs_in=True) as browser:
            for path in ("/", "/topics", "/topics/x/tail", "/cluster/disks"):
                answer = await browser.get(path)
                assert answer.status_code == 303
                assert answer.headers["location"].startswith("/login")
            wrong = await browser.post("/login", from_page="/login", user=user, password="wrong")
            assert wrong.status_code == 401
            assert f'value="{user}"' in wrong.text
            assert "wrong" not in wrong.text
            assert (await browser.get("/topics")).status_code == 303
            answer = await browser.post(
                "/login", from_page="/login", user=user, password=password, next="/topics"
            )
            assert (answer.status_code, answer.headers["location"]) == (303, "/topics")
            assert "HttpOnly" in answer.headers["set-cookie"]
            assert "SameSite=strict" in answer.headers["set-cookie"]
            assert user in await browser.text("/topics")
            await browser.post("/logout", from_page="/topics")
            assert (await browser.get("/topics")).status_code == 303


async def test_a_cookie_from_before_the_login_is_worth_nothing() -> None:
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        arguments, user, password = parted(broker)
        servers = broker.bootstrap_servers
        async with console_on(servers, arguments=arguments, logs_in=True) as browser:
            await browser.get("/login")
            before = dict(browser.client.cookies)
            await browser.post("/login", from_page="/login", user=user, password=password)
            assert dict(browser.client.cookies) != before
            browser.client.cookies.clear()
            browser.client.cookies.update(before)
            assert (await browser.get("/topics")).status_code == 303


async def test_nobody_is_sent_elsewhere() -> None:
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        arguments, user, password = parted(broker)
        servers = broker.bootstrap_servers
        async with console_on(servers, arguments=arguments, logs_in=True) as browser:
            for where in ("//attacker.example", "https://attacker.example", "/\\attacker.example"):
                answer = await browser.post(
                    "/login", from_page="/login", user=user, password=password, next=where
                )
                assert answer.headers["location"] == "/"


async def test_what_is_produced_is_produced_as_who_logged_in() -> None:
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        arguments, user, password = parted(broker)
        broker.create_topic("orders")
        rights = [Right.CHANGES]
        async with console_on(
            broker.bootstrap_servers, arguments=arguments, logs_in=True, rights=rights
        ) as browser:
            await browser.post("/login", from_page="/login", user=user, password=password)
            path = "/topics/orders/produce"
            assert (await browser.post(path, from_page=path, value="x")).status_code == 303
        broker.assert_stored_once("orders", [b"x"])


async def test_who_guesses_is_slowed_down_and_who_knows_is_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "AT_ONCE", 2)
    monkeypatch.setattr(throttle, "TURN_S", 0.2)
    monkeypatch.setattr(throttle, "WAIT_MAX_S", 0.1)
    async with TestBroker(security="SASL_PLAINTEXT") as broker:
        arguments, user, password = parted(broker)
        servers = broker.bootstrap_servers
        async with console_on(servers, arguments=arguments, logs_in=True) as browser:

            async def log_in(password: str) -> httpx.Response:
                return await browser.post(
                    "/login", from_page="/login", user=user, password=password
                )

            together = await asyncio.gather(*(log_in(f"guess {n}") for n in range(6)))
            assert sorted(each.status_code for each in together) == [401, 401, 429, 429, 429, 429]
            refused = next(each for each in together if each.status_code == 429)
            assert int(refused.headers["retry-after"]) == 1
            assert "try again in 1 s" in refused.text
            monkeypatch.setattr(throttle, "WAIT_MAX_S", 5.0)
            assert (await log_in(password)).status_code == 303
