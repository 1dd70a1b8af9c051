"""Tokens for tests: signed by one of two keys, or by nobody."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

NOW = int(time.time())
LIFE_S = 36_000  # tests may run long after these were made
CLAIMS = {"sub": "alice", "iat": NOW - 10, "exp": NOW + LIFE_S}


@cache  # and not before it is wanted: every worker imports this
def private_key(name: str) -> rsa.RSAPrivateKey:
    """The key of a name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwks(*names: str) -> bytes:
    """The public keys of these names."""
    keys = [
        {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}
        for name, key in ((name, private_key(name)) for name in names)
    ]
    return json.dumps({"keys": keys}).encode()


def signed(claims: dict[str, Any], key: str = "a", kid: str | None = "a") -> str:
    """A token."""
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims, private_key(key), algorithm="RS256", headers=headers)


def unsigned(claims: object, header: object = None, signature: str = "") -> str:
    """A token that nobody has signed."""
    parts = [header if header is not None else {"alg": "none"}, claims]
    encoded = [urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts]
    return ".".join((*encoded, signature))
