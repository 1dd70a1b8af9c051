"""SCRAM credentials: what is asked for becomes records, and what a start finds of them."""

from __future__ import annotations

from random import Random

import pytest
from minibroker.broker.broker import Broker
from minibroker.broker.cluster.metadata import ClusterMetadata
from minibroker.broker.cluster.records import ScramCredentialDeletedRecord, ScramCredentialRecord
from minibroker.broker.cluster.scram_changes import plan_deletion, plan_upsertion
from minibroker.broker.cluster.told_changes import told_changes
from minibroker.broker.config.broker import BrokerConfig
from minibroker.broker.storage.memory import MemoryStorage
from minibroker.broker.waiting.hooks import Hooks
from minibroker.broker.world import World
from minibroker.protocol.errors import ErrorCode, Refused
from minibroker.protocol.sasl.scram_credentials import credential_of

SALTED = bytes(32)
UNACCEPTABLE = ErrorCode.UNACCEPTABLE_CREDENTIAL
UNSUPPORTED = ErrorCode.UNSUPPORTED_SASL_MECHANISM


class Clock:
    """Time that stands still."""

    def now_ms(self) -> int:
        return 1_700_000_000_000

    def monotonic_ms(self) -> int:
        return 0


def started(storage: MemoryStorage) -> Broker:
    """A broker on what `storage` holds."""
    config = BrokerConfig.of({"log.dirs": ("data",)})
    hooks = Hooks(lambda: None, lambda: None, lambda: None, lambda text: None)
    return Broker(config, [], World(Clock(), storage, Random(1)), hooks)


def upserted(user: str, mechanism: int = 1) -> ScramCredentialRecord:
    """The record of a good credential."""
    record = plan_upsertion(user, mechanism, 4096, b"salt", SALTED)
    assert isinstance(record, ScramCredentialRecord)
    return record


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (("carol", 1, 4095, b"salt", SALTED), Refused(UNACCEPTABLE, "Too few iterations")),
        (("carol", 1, 16385, b"salt", SALTED), Refused(UNACCEPTABLE, "Too many iterations")),
        (("carol", 0, 4096, b"salt", SALTED), Refused(UNSUPPORTED, "Unknown SCRAM mechanism")),
        (("carol", 3, 4096, b"salt", SALTED), Refused(UNSUPPORTED, "Unknown SCRAM mechanism")),
        (("", 1, 4096, b"salt", SALTED), Refused(UNACCEPTABLE, "Username must not be empty")),
        (("carol", 1, 4096, b"salt", b""), Refused(ErrorCode.UNKNOWN_SERVER_ERROR, "")),
        (
            ("carol", 1, 4096, bytes(1025), SALTED),
            Refused(UNACCEPTABLE, "Salt or password of more than 1024 bytes"),
        ),
    ],
)
def test_a_credential_is_refused(
    asked: tuple[str, int, int, bytes, bytes], refused: Refused
) -> None:
    assert plan_upsertion(*asked) == refused


@pytest.mark.parametrize(("iterations", "salt"), [(4096, b"salt"), (16384, b"salt"), (4096, b"")])
def test_a_credential_is_kept_without_the_salted_password(iterations: int, salt: bytes) -> None:
    record = plan_upsertion("carol", 1, iterations, salt, SALTED)
    kept = credential_of("SCRAM-SHA-256", SALTED, salt, iterations)
    assert record == ScramCredentialRecord("carol", "SCRAM-SHA-256", kept)
    assert SALTED not in (kept.stored_key, kept.server_key)


def test_only_what_is_there_can_be_deleted() -> None:
    state = ClusterMetadata()
    state.apply(upserted("dave"))
    missing = Refused(
        ErrorCode.RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist"
    )
    assert plan_deletion("nobody", 1, state) == missing
    assert plan_deletion("dave", 2, state) == missing
    assert plan_deletion("dave", 0, state) == Refused(
        ErrorCode.UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism"
    )
    record = plan_deletion("dave", 1, state)
    assert isinstance(record, ScramCredentialDeletedRecord)
    state.apply(record)
    assert state.scram == {}


def test_a_start_and_a_rewritten_log_know_the_credentials() -> None:
    storage = MemoryStorage()
    broker = started(storage)
    broker.change_security([upserted("carol", 1), upserted("carol", 2), upserted("dave")])
    broker.change_security([ScramCredentialDeletedRecord("dave", "SCRAM-SHA-256")])
    kept = dict(broker.state.scram)
    assert {user: sorted(each) for user, each in kept.items()} == {
        "carol": ["SCRAM-SHA-256", "SCRAM-SHA-512"]
    }
    rewritten = ClusterMetadata()
    for portion in broker.state.snapshot():
        for record in portion:
            rewritten.apply(rewritten.decode(*rewritten.encode(record)))
    assert rewritten.scram == kept
    broker.close()
    assert started(storage).state.scram == kept


def test_an_operator_is_told_who_never_what() -> None:
    told = [
        str(each)
        for each in told_changes(
            [upserted("carol"), ScramCredentialDeletedRecord("carol", "SCRAM-SHA-256")],
            ClusterMetadata(),
        )
    ]
    assert told == [
        "event=user-altered user=carol mechanism=SCRAM-SHA-256",
        "event=user-removed user=carol mechanism=SCRAM-SHA-256",
    ]
