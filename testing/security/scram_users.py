"""EDGE: users that log in by SCRAM, put into a broker of this process without any client.

Tests: tests/system/testing/test_secured_brokers.py
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from ...broker.broker import Broker
from ...broker.cluster.records import ScramCredentialRecord
from ...broker.cluster.scram_changes import plan_upsertion
from ...protocol.sasl.scram import salted_password
from ...protocol.sasl.scram_credentials import ITERATIONS_DEFAULT, NUMBERS, SALT_BYTES


def add_users(broker: Broker, users: Mapping[str, str]) -> None:
    """Give passwords to those who have none yet: what a test has changed outlives a restart."""
    for user, password in users.items():
        if user not in broker.state.scram:
            change_password(broker, user, password)


def change_password(broker: Broker, user: str, password: str) -> None:
    """Give a user another password; sessions that are open go on until they are renewed.

    Raises:
        ValueError: the broker would refuse it.
    """
    records = []
    for mechanism, number in NUMBERS.items():
        salt = secrets.token_bytes(SALT_BYTES)
        salted = salted_password(mechanism, password, salt, ITERATIONS_DEFAULT)
        planned = plan_upsertion(user, number, ITERATIONS_DEFAULT, salt, salted)
        if not isinstance(planned, ScramCredentialRecord):
            raise ValueError(f"user {user!r}: {planned.why}")
        records.append(planned)
    broker.change_security(records)
