"""Options of TLS and SASL that contradict each other are refused in words, at construction."""

from __future__ import annotations

import re
from typing import Any

import pytest
from minibroker.client import Producer
from minibroker.client.config import ProducerConfig

HERE = (("127.0.0.1", 9092),)
SCRAM = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "SCRAM-SHA-256",
    "sasl_plain_username": "u",
    "sasl_plain_password": "p",
}
CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"ssl_cafile": "ca.pem"}, "ssl_cafile is for TLS, and security_protocol='PLAINTEXT' has none"),
    ({"ssl_check_hostname": False}, "ssl_check_hostname is for TLS"),
    (SCRAM | {"ssl_cafile": "ca.pem"}, "ssl_cafile is for TLS"),
    ({"sasl_mechanism": "PLAIN"}, "take 'SASL_PLAINTEXT' or 'SASL_SSL'"),
    ({"security_protocol": "SSL", "sasl_mechanism": "PLAIN"}, "has none: take 'SASL_SSL'"),
    ({"security_protocol": "SASL_SSL"}, "needs sasl_mechanism: one of PLAIN"),
    (SCRAM | {"sasl_plain_username": None}, "needs sasl_plain_username"),
    (SCRAM | {"sasl_plain_password": ""}, "needs sasl_plain_password"),
    (SCRAM | {"sasl_mechanism": "OAUTHBEARER"}, "needs sasl_oauth_token_provider"),
    (SCRAM | {"sasl_oauth_token_provider": str}, "is not for sasl_mechanism='SCRAM-SHA-256'"),
    ({"security_protocol": "SSL", "ssl_keyfile": "k"}, "ssl_keyfile belongs to ssl_certfile"),
    ({"security_protocol": "SSL", "ssl_password": "p"}, "ssl_password belongs to ssl_certfile"),
]


@pytest.mark.parametrize(("options", "why"), CONTRADICTIONS)
def test_a_contradiction_is_refused_in_words(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        ProducerConfig(bootstrap_servers=HERE, **options)


async def test_a_context_has_its_own() -> None:
    import ssl

    context = ssl.create_default_context()
    options: Any = {"security_protocol": "SSL", "ssl_context": context}
    Producer(**options)
    for other in ({"ssl_cafile": "ca.pem"}, {"ssl_check_hostname": False}):
        with pytest.raises(ValueError, match=f"give ssl_context or {next(iter(other))}, not both"):
            Producer(**options, **other)


async def test_a_name_that_plain_cannot_say_is_refused_at_construction() -> None:
    options: Any = SCRAM | {"sasl_mechanism": "PLAIN", "sasl_plain_username": "a\0b"}
    with pytest.raises(ValueError, match="NUL"):
        Producer(**options)


def test_a_client_without_security_imports_nothing_of_it() -> None:
    import subprocess
    import sys

    code = """if True:
        import asyncio, sys
        from minibroker.client import Admin, Consumer, Producer
        async def make():
            return Producer(), Consumer("t"), Admin()
        made = asyncio.run(make())
        unasked = {name for name in sys.modules if ".client.security." in name or "sasl" in name}
        assert not unasked and "cryptography" not in sys.modules, unasked
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
