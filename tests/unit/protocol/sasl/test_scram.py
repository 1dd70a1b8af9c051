"""SCRAM's client half: RFC 7677's own conversation, and servers that are not what they seem."""

from __future__ import annotations

import pytest
from minibroker.protocol.sasl.scram import ITERATIONS_MAX, ScramClient, ScramError, saslname

# RFC 7677, section 3.
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = (
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
)
CLIENT_FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def client(password: str = "pencil") -> ScramClient:
    return ScramClient("SCRAM-SHA-256", "user", password, NONCE)


def test_the_conversation_of_the_rfc() -> None:
    user = client()
    assert user.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert user.answer(SERVER_FIRST) == CLIENT_FINAL
    user.verify(SERVER_FINAL)


def test_a_server_that_does_not_know_the_password_is_found_out() -> None:
    user = client("pencils")
    user.answer(SERVER_FIRST)
    for final in (SERVER_FINAL, b"v=", b"", b"v=AAAA", b"x=1"):
        with pytest.raises(ScramError, match="does not know the password"):
            user.verify(final)
    with pytest.raises(ScramError, match="other-error"):
        user.verify(b"e=other-error")


def test_no_proof_counts_before_there_was_a_conversation() -> None:
    with pytest.raises(ScramError):
        client().verify(b"v=")


@pytest.mark.parametrize(
    ("server_first", "why"),
    [
        (b"r=other,s=AAAA,i=4096", "an old conversation"),
        (b"r=" + NONCE.encode() + b",s=AAAA,i=4096", "an old conversation"),
        (SERVER_FIRST.replace(b"i=4096", b"i=4095"), "4095 iterations"),
        (SERVER_FIRST.replace(b"i=4096", b"i=%d" % (ITERATIONS_MAX + 1)), "iterations, not"),
        (SERVER_FIRST.replace(b"i=4096", b"i=" + b"9" * 5000), "iterations, not"),
        (SERVER_FIRST.replace(b"i=4096", b"i=-1"), "no number"),
        (SERVER_FIRST.replace(b"i=4096", b"i=\xd9\xa3"), "no number"),
        (SERVER_FIRST.replace(b"s=W22", b"s=?22"), "no base64"),
        (b"r=" + NONCE.encode() + b"x,i=4096", "without s"),
        (b"\xff", "no UTF-8"),
        (b"", "without r, s, i"),
    ],
)
def test_a_server_that_asks_for_the_wrong_thing(server_first: bytes, why: str) -> None:
    with pytest.raises(ScramError, match=why):
        client().answer(server_first)


def test_a_name_between_commas_and_equal_signs() -> None:
    assert saslname("a=b,c") == "a=3Db=2Cc"
