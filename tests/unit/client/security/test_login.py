"""One login, against brokers that say what they like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from minibroker.client.config import ProducerConfig
from minibroker.client.errors import AuthenticationFailed, ConnectionFailed, Fatal
from minibroker.client.security.login import Login
from minibroker.protocol.errors import ErrorCode
from minibroker.protocol.messages.sasl_authenticate import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
)
from minibroker.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse

HERE = (("h", 1),)
PASSWORD = "do-not-show-me"
NO, REFUSED = ErrorCode.NONE, ErrorCode.SASL_AUTHENTICATION_FAILED


class Broker:
    """Answers what it was given to answer; keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [*answers]
        self.asked: list[Any] = []

    async def ask(self, message: Any, version: int | None) -> Any:
        if isinstance(message, SaslHandshakeRequest):
            assert version == 1
        self.asked.append(message)
        answer = self.answers.pop(0)
        return answer(message) if callable(answer) else answer

    @property
    def said(self) -> list[bytes]:
        """The tokens of the client."""
        return [each.auth_bytes for each in self.asked if type(each) is SaslAuthenticateRequest]


def shaken(code: int = NO, *mechanisms: str) -> SaslHandshakeResponse:
    return SaslHandshakeResponse(error_code=code, mechanisms=[*mechanisms])


def told(
    said: bytes = b"", code: int = NO, text: str | None = "", lifetime_ms: int = 0
) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=code, error_message=text, auth_bytes=said, session_lifetime_ms=lifetime_ms
    )


def login(mechanism: str = "PLAIN", provider: Any = None) -> Login:
    user = {} if provider else {"sasl_plain_username": "alice", "sasl_plain_password": PASSWORD}
    options: Any = {"security_protocol": "SASL_SSL", "sasl_mechanism": mechanism, **user}
    return Login(
        ProducerConfig(bootstrap_servers=HERE, sasl_oauth_token_provider=provider, **options)
    )


async def refusal(broker: Broker, by: Login) -> str:
    with pytest.raises(AuthenticationFailed) as caught:
        await by.log_in(broker.ask, "h:1")
    assert isinstance(caught.value, Fatal)
    assert PASSWORD not in str(caught.value) + repr(by)
    return str(caught.value)


async def test_plain_tells_how_long_it_lasts() -> None:
    broker = Broker(shaken(NO, "PLAIN"), told(lifetime_ms=3000))
    assert await login().log_in(broker.ask, "h:1") == 3000
    assert broker.said == [b"\0alice\0" + PASSWORD.encode()]


async def test_a_refusal_is_the_brokers_words_and_the_users_name() -> None:
    broker = Broker(shaken(), told(b"", REFUSED, "Authentication failed: Invalid username"))
    assert await refusal(broker, login()) == (
        "h:1 refused the login by PLAIN as 'alice': Authentication failed: Invalid username"
    )
    wordless = Broker(shaken(), told(b"", REFUSED, None))
    assert "were not accepted" in await refusal(wordless, login())


async def test_a_mechanism_that_is_not_offered() -> None:
    broker = Broker(shaken(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "SCRAM-SHA-512", "OAUTHBEARER"))
    assert await refusal(broker, login()) == (
        "h:1 offers no login by PLAIN, but by OAUTHBEARER, SCRAM-SHA-512"
    )
    assert not broker.said, "no password goes to who does not take it"


async def test_a_listener_that_asks_for_no_login() -> None:
    broker = Broker(shaken(ErrorCode.ILLEGAL_SASL_STATE))
    assert "asks for no login" in await refusal(broker, login())


async def test_a_broker_that_does_not_know_the_password_gets_no_further() -> None:
    def challenge(message: SaslAuthenticateRequest) -> SaslAuthenticateResponse:
        nonce = message.auth_bytes.decode().partition("r=")[2]
        return told(f"r={nonce}more,s=AAAA,i=4096".encode())

    broker = Broker(shaken(), challenge, told(b"v=AAAA"))
    assert "does not know the password" in await refusal(broker, login("SCRAM-SHA-256"))
    old = Broker(shaken(), told(b"r=old,s=AAAA,i=4096"))
    assert "an old conversation" in await refusal(old, login("SCRAM-SHA-512"))
    assert len(old.said) == 1, "the password is proven to nobody who repeats"
    nonces = [each.said[0] for each in (broker, old)]
    assert nonces[0] != nonces[1]


class Provider:
    """As kafka-python's and aiokafka's are."""

    async def token(self) -> str:
        return "from-a-provider"

    def extensions(self) -> Mapping[str, str]:
        return {"logicalCluster": "lkc-1"}


async def _awaited() -> str:
    return "awaited"


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (lambda: "called", b"n,,\x01auth=Bearer called\x01\x01"),
        (_awaited, b"n,,\x01auth=Bearer awaited\x01\x01"),
        (lambda *_: _awaited(), b"n,,\x01auth=Bearer awaited\x01\x01"),
        (Provider(), b"n,,\x01auth=Bearer from-a-provider\x01logicalCluster=lkc-1\x01\x01"),
    ],
)
async def test_tokens_come_from_functions_coroutines_and_objects(
    provider: Any, said: bytes
) -> None:
    broker = Broker(shaken(), told())
    assert await login("OAUTHBEARER", provider).log_in(broker.ask, "h:1") == 0
    assert broker.said == [said]


async def test_a_token_that_is_refused_is_given_up_and_the_reason_told() -> None:
    reason = b'{"status":"invalid_token"}'
    broker = Broker(shaken(), told(reason), told(b"", REFUSED, "Authentication failed"))
    text = await refusal(broker, login("OAUTHBEARER", lambda: "t"))
    assert text == 'h:1 refused the login by OAUTHBEARER: {"status":"invalid_token"}'
    assert broker.said[1] == b"\x01"


def _fails() -> str:
    raise OSError("the issuer is away")


async def test_no_token_may_be_had_later_and_a_wrong_one_never() -> None:
    with pytest.raises(ConnectionFailed, match="OSError: the issuer is away"):
        await login("OAUTHBEARER", _fails).log_in(Broker(shaken()).ask, "h:1")
    text = await refusal(Broker(shaken()), login("OAUTHBEARER", lambda: 7))
    assert "gave int where a str is due" in text
    hidden = await refusal(Broker(shaken()), login("OAUTHBEARER", lambda: "not a token"))
    assert "not a token" not in hidden
