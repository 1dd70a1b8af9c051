"""TLS on either side of the fault proxy: two in a row speak it with each other."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from ssl import SSLContext

import pytest
from minibroker.broker.faults.rules import LoseReply, Rule
from minibroker.testing.proxy import Proxy
from minibroker.testing.proxying.rules import Outcome
from minibroker.testing.security.certificates import Certificates

from tests.support.in_loop.scripted_upstream import Client, Upstream, echo, request


def contexts(tmp_path: Path, name: str = "server") -> tuple[SSLContext, SSLContext]:
    """Of a server with this certificate, and of a client who trusts its authority."""
    certificates = Certificates()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(*certificates.write(tmp_path, name))
    return server, ssl.create_default_context(cadata=certificates.authority_pem)


async def test_rules_act_on_what_is_encrypted_on_both_sides(tmp_path: Path) -> None:
    server, trusting = contexts(tmp_path)
    rule = Rule(action=LoseReply(), nth=2)
    async with (
        Upstream() as upstream,
        Proxy(upstream.address, ssl_context=server) as behind,
        Proxy(behind.bootstrap_servers, upstream_ssl_context=trusting) as between,
    ):
        behind.arm(rule)
        client = await Client.connect(between.bootstrap_servers)
        try:
            client.send(request(1), request(2))
            assert await client.read_answer() == echo(request(1)[4:])
            assert await client.read_to_end() == b""
        finally:
            await client.close()
    assert [each.outcome for each in behind.history] == [Outcome.ANSWERED, Outcome.LOST]


@pytest.mark.parametrize("name", ["expired", "wrong_host"])
async def test_an_upstream_that_is_not_trusted_is_told_in_the_log(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server, trusting = contexts(tmp_path, name)
    with caplog.at_level(logging.WARNING, "minibroker.proxy"):
        async with (
            Upstream() as upstream,
            Proxy(upstream.address, ssl_context=server) as behind,
            Proxy(behind.bootstrap_servers, upstream_ssl_context=trusting) as between,
        ):
            client = await Client.connect(between.bootstrap_servers)
            assert await client.read_to_end() == b""
            await client.close()
    assert "TLS failed: [SSL: CERTIFICATE_VERIFY_FAILED]" in caplog.text
    assert not upstream.received


async def test_bare_tokens_are_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    async with Upstream() as upstream, Proxy(upstream.address) as proxy:
        client = await Client.connect(proxy.bootstrap_servers)
        client.send(request(1, key=17, version=0))
        assert await client.read_to_end() == b""
        await client.close()
    assert "SaslHandshake v0 is followed by frames that are no requests" in caplog.text
    assert not upstream.received
