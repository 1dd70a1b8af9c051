"""`minibroker acls` at a running broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from minibroker.testing import ChildBroker

BOUND_S = 60


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker(security="SASL_PLAINTEXT") as running:
        yield running


def acls(broker: ChildBroker, words: str, code: int = 0, env: dict[str, str] | None = None) -> str:
    here = ["--bootstrap-server", broker.bootstrap_servers]
    if env is None:
        here += ["--command-config", broker.security.write_properties("PLAIN")]
    command = [sys.executable, "-m", "minibroker", "acls", *words.split(), *here]
    done = subprocess.run(
        command,
        env=None if env is None else {**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if not code else done.stderr


def test_rules_are_added_listed_and_removed(broker: ChildBroker) -> None:
    added = acls(broker, "add --allow-principal User:shop --producer --topic orders")
    assert [line.split() for line in added.splitlines()] == [
        ["RESOURCE", "NAME", "PATTERN", "PRINCIPAL", "HOST", "PERMISSION", "OPERATION"],
        ["TOPIC", "orders", "LITERAL", "User:shop", "*", "ALLOW", "WRITE"],
        ["TOPIC", "orders", "LITERAL", "User:shop", "*", "ALLOW", "DESCRIBE"],
        ["TOPIC", "orders", "LITERAL", "User:shop", "*", "ALLOW", "CREATE"],
    ]
    prefixed = "--operation Read --topic or --resource-pattern-type prefixed"
    acls(broker, f"add --deny-principal User:eve --deny-host 10.0.0.1 {prefixed}")
    told = json.loads(acls(broker, "list --topic orders --json"))
    assert [(each["principal"], each["operation"]) for each in told] == [
        ("User:eve", "READ"),
        ("User:shop", "WRITE"),
        ("User:shop", "CREATE"),
        ("User:shop", "DESCRIBE"),
    ]
    assert "User:eve" not in acls(broker, "list --principal User:shop")
    removed = acls(broker, "remove --topic orders --operation Create")
    assert removed.splitlines()[1:] == [
        "TOPIC     orders  LITERAL  User:shop  *     ALLOW       CREATE"
    ]
    acls(broker, "remove --principal User:shop")
    acls(broker, "remove --principal User:eve")
    assert acls(broker, "list") == ""


def test_what_cannot_be_is_told(broker: ChildBroker) -> None:
    assert "say on what" in acls(broker, "add --allow-principal User:a", code=2)
    assert "as in User:alice" in acls(broker, "list --principal alice", code=2)
    broker.user("nobody")
    options = broker.security.properties(user="nobody")
    env = {name.replace(".", "_").upper(): value for name, value in options.items()}
    told = acls(broker, "list", code=1, env=env)
    assert "CLUSTER_AUTHORIZATION_FAILED" in told
    assert "this user needs DESCRIBE on the cluster" in told


def test_a_broker_without_rules_says_so() -> None:
    with ChildBroker() as plain:
        command = [sys.executable, "-m", "minibroker", "acls", "list"]
        done = subprocess.run(
            [*command, "--bootstrap-server", plain.bootstrap_servers],
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
    assert done.returncode == 1
    assert "SECURITY_DISABLED: No Authorizer is configured on the broker" in done.stderr
