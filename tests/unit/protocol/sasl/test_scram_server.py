"""SCRAM's server half: against RFC 7677, against the client's half, and what it refuses."""

from __future__ import annotations

from base64 import b64decode

import pytest
from minibroker.protocol.sasl.outcomes import Challenge, Granted, SaslDenied, SaslRefused
from minibroker.protocol.sasl.scram import HASHES, ScramClient, salted_password
from minibroker.protocol.sasl.scram_credentials import ScramCredential, credential_of
from minibroker.protocol.sasl.scram_server import ScramServer

SCRAM_SHA_256 = "SCRAM-SHA-256"
SALT = b"saltsaltsaltsalt"


def credential(mechanism: str, password: str = "pencil") -> ScramCredential:
    """What a server keeps."""
    salted = salted_password(mechanism, password, SALT, 4096)
    return credential_of(mechanism, salted, SALT, 4096)


def server(mechanism: str = SCRAM_SHA_256, user: str = "carol") -> ScramServer:
    """A server that knows one user."""
    users = {user: credential(mechanism)}
    return ScramServer(mechanism, users.get, "SERVERNONCE", b"secret")


def first_answer(token: bytes, user: str = "carol") -> bytes:
    """The server's first token."""
    challenge = server(user=user).step(token)
    assert isinstance(challenge, Challenge)
    return challenge.token


def test_the_exchange_of_rfc_7677() -> None:
    client = ScramClient(SCRAM_SHA_256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO")
    assert client.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    server_first = (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert client.answer(server_first) == (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    client.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")

    salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    kept = credential_of(
        SCRAM_SHA_256, salted_password(SCRAM_SHA_256, "pencil", salt, 4096), salt, 4096
    )
    ours = ScramServer(
        SCRAM_SHA_256, {"user": kept}.get, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", b"secret"
    )
    assert ours.step(client.first()) == Challenge(server_first)
    assert ours.step(client.answer(server_first)) == Granted(
        "user", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    )


@pytest.mark.parametrize("user", ["carol", "c=a,r o"])
@pytest.mark.parametrize("mechanism", HASHES)
def test_the_halves_understand_each_other(mechanism: str, user: str) -> None:
    client = ScramClient(mechanism, user, "pencil", "CLIENTNONCE")
    ours = server(mechanism, user)
    challenge = ours.step(client.first())
    granted = ours.step(client.answer(challenge.token))
    assert isinstance(granted, Granted)
    assert granted.username == user
    client.verify(granted.token)


def test_a_wrong_password_and_an_unknown_user_look_alike() -> None:
    for user in ("carol", "nobody"):
        ours = server()
        client = ScramClient(SCRAM_SHA_256, user, "wrong", "N")
        challenge = ours.step(client.first())
        assert challenge.token.endswith(b",i=4096")
        assert len(b64decode(challenge.token.split(b",")[1][2:])) == len(SALT)
        with pytest.raises(SaslRefused, match="wrong password or unknown user"):
            ours.step(client.answer(challenge.token))


def test_the_salt_of_an_unknown_user_stays_the_same() -> None:
    assert first_answer(b"n,,n=nobody,r=N") == first_answer(b"n,,n=nobody,r=N")
    assert first_answer(b"n,,n=nobody,r=N") != first_answer(b"n,,n=noone,r=N")


def test_nobody_gets_in_by_the_keys_made_up_for_an_unknown_user() -> None:
    # A proof made from a stored key of zeros: right for the credential that stands in.
    ours = ScramServer(SCRAM_SHA_256, lambda user: None, "S", b"secret")
    ours.step(b"n,,n=nobody,r=N")
    with pytest.raises(SaslRefused):
        ours.step(b"c=biws,r=NS,p=" + b"A" * 43 + b"=")


@pytest.mark.parametrize(
    "token",
    [
        b"y,,n=carol,r=N",
        b"p=tls-unique,,n=carol,r=N",
        b"garbage",
        b"",
        b"n,,n=carol,r=",
        b"n,,n=,r=N",
        b"n,,n=c=arol,r=N",
        b"n,,n=carol,r=N\xff",
        b"n,,n=carol,r=N,tokenauth=true",
    ],
)
def test_a_first_message_is_refused(token: bytes) -> None:
    with pytest.raises(SaslRefused) as refused:
        server().step(token)
    assert not isinstance(refused.value, SaslDenied)


def test_an_authorization_id_must_be_the_name_itself_whether_the_user_exists_or_not() -> None:
    assert first_answer(b"n,a=carol,n=carol,r=N").startswith(b"r=NSERVERNONCE,")
    for name in (b"carol", b"nobody"):
        with pytest.raises(SaslDenied, match="authorization id that is different from username"):
            server().step(b"n,a=admin,n=" + name + b",r=N")


@pytest.mark.parametrize("change", ["nonce", "proof", "short proof", "first again"])
def test_a_final_message_is_refused(change: str) -> None:
    ours = server()
    client = ScramClient(SCRAM_SHA_256, "carol", "pencil", "N")
    final = client.answer(ours.step(client.first()).token)
    head, _, proof = final.rpartition(b",p=")
    changed = {
        "nonce": final.replace(b"r=NS", b"r=NX"),
        "proof": head + b",p=" + proof[::-1].lstrip(b"="),
        "short proof": head + b",p=" + proof[:40],
        "first again": client.first(),
    }[change]
    with pytest.raises(SaslRefused):
        ours.step(changed)


def test_no_repr_shows_what_opens_an_account() -> None:
    assert repr(credential(SCRAM_SHA_256)) == "ScramCredential(iterations=4096)"
    with pytest.raises(ValueError, match="empty"):
        credential_of(SCRAM_SHA_256, b"", SALT, 4096)
