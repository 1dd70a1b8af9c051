"""SCRAM's server half: who knows the password is let in, and shown that the server knows it too.

client-first  n,[a=AUTHZID],n=NAME,r=NONCE[,KEY=VALUE...]
server-first  r=NONCE+MORE,s=SALT,i=ITERATIONS
client-final  c=biws,r=NONCE+MORE,p=PROOF
server-final  v=SIGNATURE

Channel binding (gs2 `y` and `p=`) is refused, as in Kafka.
Ours: an unknown user gets a server-first like any other, from a salt that is always the same for
that name, and is refused at the proof; Kafka refuses it at once, which tells who exists.
Source: RFC 5802; ScramMessages.java, ScramSaslServer.java. The client's half: scram.py.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from hmac import compare_digest, digest

from .outcomes import OTHER_AUTHORIZATION_ID, Challenge, Granted, SaslDenied, SaslRefused
from .scram import HASHES, digest_of
from .scram_credentials import ITERATIONS_DEFAULT, SALT_BYTES, ScramCredential, is_proven

_NAME = r"(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+"
_VALUE = r"[\x01-\x2b\x2d-\x7f]+"
_PRINTABLE = r"[\x21-\x2b\x2d-\x7e]+"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?"
_EXTENSIONS = rf"(?:,[A-Za-z]+={_VALUE})*"
_CLIENT_FIRST = re.compile(
    rf"n,(?:a=(?P<authzid>{_NAME}))?,(?P<bare>(?:m={_VALUE},)?n=(?P<name>{_NAME}),"
    rf"r=(?P<nonce>{_PRINTABLE})(?P<extensions>{_EXTENSIONS}))"
)
_CLIENT_FINAL = re.compile(
    rf"(?P<unproven>c={_BASE64},r=(?P<nonce>{_PRINTABLE}){_EXTENSIONS}),p=(?P<proof>{_BASE64})"
)


class ScramServer:
    """The server's half of one login.

    Args:
        mechanism: a key of HASHES.
        credential_of: the credential of a user for this mechanism; None for an unknown one.
        nonce: printable characters without a comma, drawn for this login.
        secret: what salts of unknown users are made from; the same for all logins of a broker.
    """

    def __init__(
        self,
        mechanism: str,
        credential_of: Callable[[str], ScramCredential | None],
        nonce: str,
        secret: bytes,
    ) -> None:
        self._mechanism = mechanism
        self._credential_of = credential_of
        self._nonce = nonce
        self._secret = secret
        self._username = ""
        self._bare = ""
        self._server_first = b""
        self._is_known = False
        self._credential = ScramCredential(b"", 0, b"", b"")

    def step(self, token: bytes) -> Challenge | Granted:
        """Take the client's first, then its final token. Raises SaslRefused, SaslDenied."""
        return self._final(token) if self._server_first else self._first(token)

    def _first(self, token: bytes) -> Challenge:
        match = _fullmatch(_CLIENT_FIRST, token, "client-first")
        username, authzid = _unescaped(match["name"]), match["authzid"]
        # Before it is looked whether there is such a user, so that it does not tell.
        if authzid is not None and _unescaped(authzid) != username:
            raise SaslDenied(OTHER_AUTHORIZATION_ID)
        if any(each.lower() == "tokenauth=true" for each in match["extensions"].split(",")):
            raise SaslRefused("delegation tokens are not served here")
        found = self._credential_of(username)
        self._is_known = found is not None
        self._credential = found if found is not None else self._made_up(username)
        self._username, self._bare = username, match["bare"]
        self._nonce = match["nonce"] + self._nonce
        salt = b64encode(self._credential.salt).decode()
        text = f"r={self._nonce},s={salt},i={self._credential.iterations}"
        self._server_first = text.encode()
        return Challenge(self._server_first)

    def _final(self, token: bytes) -> Granted:
        mechanism, credential = self._mechanism, self._credential
        match = _fullmatch(_CLIENT_FINAL, token, "client-final")
        if not compare_digest(match["nonce"].encode(), self._nonce.encode()):
            raise SaslRefused("the nonce is not the one of this login")
        unproven = match["unproven"].encode()
        conversation = b",".join((self._bare.encode(), self._server_first, unproven))
        # The proof is looked at for an unknown user as well: it takes the same time.
        is_right = is_proven(mechanism, credential, conversation, b64decode(match["proof"]))
        if not (is_right and self._is_known):
            raise SaslRefused(f"wrong password or unknown user {self._username!r}")
        signature = digest_of(mechanism, credential.server_key, conversation)
        return Granted(self._username, f"v={b64encode(signature).decode()}".encode())

    def _made_up(self, username: str) -> ScramCredential:
        name = f"{self._mechanism}:{username}".encode()
        salt = digest(self._secret, name, "sha256")[:SALT_BYTES]
        key = bytes(hashlib.new(HASHES[self._mechanism]).digest_size)
        return ScramCredential(salt, ITERATIONS_DEFAULT, key, key)


def _unescaped(name: str) -> str:
    return name.replace("=2C", ",").replace("=3D", "=")


def _fullmatch(pattern: re.Pattern[str], token: bytes, what: str) -> re.Match[str]:
    try:
        match = pattern.fullmatch(token.decode())
    except UnicodeDecodeError:
        match = None
    if match is None:
        raise SaslRefused(f"that is no {what} message")
    return match
