"""Changes of SCRAM credentials: what a request asks for, checked; a metadata record or a refusal.

Nothing is changed here: broker.py commits what these functions return. A user may be named once in
a request, whatever is asked about it.
Source: ScramControlManager.java; KIP-554. Tests: tests/unit/broker/cluster/test_scram_changes.py
"""

from __future__ import annotations

from ...protocol.errors import ErrorCode, Refused
from ...protocol.sasl.scram import ITERATIONS_MIN
from ...protocol.sasl.scram_credentials import BY_NUMBER, ITERATIONS_KEPT_MAX, credential_of
from .metadata import ClusterMetadata
from .records import ScramCredentialDeletedRecord, ScramCredentialRecord

SALT_BYTES_MAX = 1024  # and of a salted password: they are kept, and a record is written of them
TWICE = "A user credential cannot be altered twice in the same request"
_UNKNOWN_MECHANISM = Refused(ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism")


def plan_upsertion(
    user: str, mechanism: int, iterations: int, salt: bytes, salted: bytes
) -> ScramCredentialRecord | Refused:
    """The record that gives a user a credential, or why it cannot be.

    Args:
        mechanism: its number in the protocol.
        salted: the salted password.
    """
    unacceptable = ErrorCode.UNACCEPTABLE_CREDENTIAL
    if not user:
        return Refused(unacceptable, "Username must not be empty")
    known = BY_NUMBER.get(mechanism)
    if known is None:
        return _UNKNOWN_MECHANISM
    if iterations < ITERATIONS_MIN:
        return Refused(unacceptable, "Too few iterations")
    if iterations > ITERATIONS_KEPT_MAX:
        return Refused(unacceptable, "Too many iterations")
    if max(len(salt), len(salted)) > SALT_BYTES_MAX:
        return Refused(unacceptable, f"Salt or password of more than {SALT_BYTES_MAX} bytes")
    if not salted:  # Kafka trips over it, and has no words
        return Refused(ErrorCode.UNKNOWN_SERVER_ERROR, "")
    credential = credential_of(known, bytes(salted), bytes(salt), iterations)
    return ScramCredentialRecord(user, known, credential)


def plan_deletion(
    user: str, mechanism: int, state: ClusterMetadata
) -> ScramCredentialDeletedRecord | Refused:
    """The record that takes a credential from a user, or why it cannot be."""
    if not user:
        return Refused(ErrorCode.UNACCEPTABLE_CREDENTIAL, "Username must not be empty")
    known = BY_NUMBER.get(mechanism)
    if known is None:
        return _UNKNOWN_MECHANISM
    if known not in state.scram.get(user, ()):
        return Refused(
            ErrorCode.RESOURCE_NOT_FOUND,
            "Attempt to delete a user credential that does not exist",
        )
    return ScramCredentialDeletedRecord(user, known)
