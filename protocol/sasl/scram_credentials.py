"""What a server keeps of a password for SCRAM: enough to check a proof, not enough to log in.

Kafka's AlterUserScramCredentials carries the salted password, of which the server makes the keys.
Source: RFC 5802; ScramFormatter.java, ScramMechanism.java.
Tests: tests/unit/protocol/sasl/test_scram_server.py
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from .scram import HASHES, digest_of, exclusive_or, keys_of

SALT_BYTES: Final = 16  # of a salt that we draw
ITERATIONS_DEFAULT: Final = 4_096
ITERATIONS_KEPT_MAX: Final = 16_384  # Kafka's, of what may be stored; the least is in scram.py
NUMBERS: Final = {"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}  # as the protocol numbers mechanisms
BY_NUMBER: Final = {number: name for name, number in NUMBERS.items()}


@dataclass(frozen=True, slots=True, repr=False)
class ScramCredential:
    """What a server keeps of a user and a mechanism; its repr shows none of it."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes

    def __repr__(self) -> str:
        return f"ScramCredential(iterations={self.iterations})"


def credential_of(mechanism: str, salted: bytes, salt: bytes, iterations: int) -> ScramCredential:
    """What a server keeps, from the salted password.

    Args:
        mechanism: a key of HASHES.

    Raises:
        ValueError: `salted` is empty, which every HMAC would take for a key all the same.
    """
    if not salted:
        raise ValueError("a salted password cannot be empty")
    keys = keys_of(mechanism, salted)
    return ScramCredential(salt, iterations, keys.stored, keys.server)


def is_proven(
    mechanism: str, credential: ScramCredential, conversation: bytes, proof: bytes
) -> bool:
    """Whether `proof` is that of the password behind `credential`; takes the same time always."""
    signature = digest_of(mechanism, credential.stored_key, conversation)
    if len(proof) != len(signature):
        return False
    client_key = exclusive_or(proof, signature)
    stored_key = hashlib.new(HASHES[mechanism], client_key).digest()
    return compare_digest(stored_key, credential.stored_key)
