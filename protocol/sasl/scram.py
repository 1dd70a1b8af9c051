"""SCRAM-SHA-256 and -512 (RFC 5802, RFC 7677): each side proves that it knows the password.

A server keeps salt, iterations, stored key and server key, of which the password cannot be made.
Kafka's differs from the RFC: no SASLprep, names and passwords are UTF-8 as they are; no channel
binding. Nonces and salts are handed in.
Source: ScramSaslClient.java, ScramFormatter.java, ScramMechanism.java.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Final, NamedTuple

HASHES: Final = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
ITERATIONS_MIN: Final = 4_096
ITERATIONS_MAX: Final = 1_000_000
"""Kafka keeps 16,384 at most. A server that asks for billions would hold its client for ever."""

NO_BINDING: Final = "n,,"  # the gs2 header: no channel binding, no other identity
_BINDING_SAID: Final = b64encode(NO_BINDING.encode()).decode()


class ScramError(ValueError):
    """The other side said what SCRAM does not allow, or does not know the password."""


class Keys(NamedTuple):
    """What is made of a salted password."""

    client: bytes
    stored: bytes
    server: bytes


def salted_password(mechanism: str, password: str, salt: bytes, iterations: int) -> bytes:
    """The password after so many rounds: some ms of work, which is its purpose.

    Args:
        mechanism: a key of HASHES.
    """
    return hashlib.pbkdf2_hmac(HASHES[mechanism], password.encode(), salt, iterations)


def keys_of(mechanism: str, salted: bytes) -> Keys:
    """The keys that belong to a salted password."""
    client = digest_of(mechanism, salted, b"Client Key")
    stored = hashlib.new(HASHES[mechanism], client).digest()
    return Keys(client, stored, digest_of(mechanism, salted, b"Server Key"))


def digest_of(mechanism: str, key: bytes, text: bytes) -> bytes:
    """The HMAC of a text."""
    return hmac.digest(key, text, HASHES[mechanism])


def exclusive_or(one: bytes, other: bytes) -> bytes:
    """Of two of the same length, bit by bit."""
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


def saslname(username: str) -> str:
    """A name as it stands between commas and equal signs."""
    return username.replace("=", "=3D").replace(",", "=2C")


def attributes_of(message: bytes, *, expected: str) -> dict[str, str]:
    """The values of `a=1,b=2` by their letter. Raises ScramError unless all expected are there."""
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise ScramError("a message that is no UTF-8") from None
    pairs = [each.partition("=") for each in text.split(",")]
    found = {letter: value for letter, separator, value in pairs if separator}
    missing = [letter for letter in expected if letter not in found]
    if missing:
        raise ScramError(f"a message without {', '.join(missing)}")
    return found


class ScramClient:
    """The client's half of one login: first(), then answer(), then verify().

    Args:
        mechanism: a key of HASHES.
        nonce: printable letters without a comma, never used before.
    """

    def __init__(self, mechanism: str, username: str, password: str, nonce: str) -> None:
        self._mechanism = mechanism
        self._password = password
        self._nonce = nonce
        self._first_bare = f"n={saslname(username)},r={nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        """What a client says first: who it is, and its nonce."""
        return f"{NO_BINDING}{self._first_bare}".encode()

    def answer(self, server_first: bytes) -> bytes:
        """The proof that this side knows the password; takes the ms that salted_password takes.

        Raises:
            ScramError: the nonce is not ours, or the work asked for is too little or too much.
        """
        said = attributes_of(server_first, expected="rsi")
        nonce, salt, iterations = said["r"], _decoded(said["s"]), said["i"]
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramError("a nonce that does not go on from the client's: an old conversation?")
        if not iterations.isascii() or not iterations.isdecimal():
            raise ScramError("iterations that are no number")
        rounds = int(iterations[:10])
        if not ITERATIONS_MIN <= rounds <= ITERATIONS_MAX:
            raise ScramError(f"{rounds} iterations, not {ITERATIONS_MIN} to {ITERATIONS_MAX}")
        keys = keys_of(
            self._mechanism, salted_password(self._mechanism, self._password, salt, rounds)
        )
        without_proof = f"c={_BINDING_SAID},r={nonce}"
        conversation = b",".join((self._first_bare.encode(), server_first, without_proof.encode()))
        signature = digest_of(self._mechanism, keys.stored, conversation)
        self._server_signature = digest_of(self._mechanism, keys.server, conversation)
        proof = b64encode(exclusive_or(keys.client, signature)).decode()
        return f"{without_proof},p={proof}".encode()

    def verify(self, server_final: bytes) -> None:
        """Raise ScramError unless the server has proved that it knows the password, too."""
        said = attributes_of(server_final, expected="")
        if "e" in said:
            raise ScramError(f"the server ends it: {said['e']}")
        signature = _decoded(said.get("v", ""))
        if not self._server_signature or not hmac.compare_digest(signature, self._server_signature):
            raise ScramError(
                "the server's signature is wrong: it does not know the password, and is not who "
                "it seems to be"
            )


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        raise ScramError("a value that is no base64") from None
