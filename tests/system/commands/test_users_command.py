"""`minibroker users`: a password comes from standard input, and logs in at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from minibroker.client import AuthenticationFailed
from minibroker.client.blocking import Admin
from minibroker.testing import ChildBroker

from tests.support.processes.commands import run

PASSWORD = "carol=s, own"


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker(security="SASL_PLAINTEXT") as running:
        yield running


def users(*words: str, data: str = "", code: int = 0) -> CompletedProcess[str]:
    done = run("users", *words, text=data.encode())
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, err
    return CompletedProcess(done.args, code, out, err)


def asked(broker: ChildBroker, *words: str, data: str = "", code: int = 0) -> CompletedProcess[str]:
    here = ("--bootstrap-server", broker.bootstrap_servers)
    config = ("--command-config", broker.security.write_properties("PLAIN"))
    return users(*words, *here, *config, data=data, code=code)


def logs_in(broker: ChildBroker, mechanism: str, password: str) -> bool:
    options = broker.security.options() | {
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "carol",
        "sasl_plain_password": password,
    }
    try:
        with Admin(broker.bootstrap_servers, **options) as admin:
            admin.list_topics()
    except AuthenticationFailed:
        return False
    return True


def test_a_user_comes_changes_and_goes(broker: ChildBroker) -> None:
    assert not logs_in(broker, "SCRAM-SHA-256", PASSWORD)
    done = asked(broker, "add", "carol", data=f"{PASSWORD}\nmore\n")
    assert done.stdout == "carol may log in by SCRAM-SHA-256, SCRAM-SHA-512\n"
    assert logs_in(broker, "SCRAM-SHA-256", PASSWORD)
    assert logs_in(broker, "SCRAM-SHA-512", PASSWORD)
    options = ("--mechanism", "SCRAM-SHA-512", "--iterations", "8192", "--json")
    told = json.loads(asked(broker, "add", "carol", "--generate", *options).stdout)
    assert told["mechanisms"] == ["SCRAM-SHA-512"]
    assert logs_in(broker, "SCRAM-SHA-512", told["password"])
    assert not logs_in(broker, "SCRAM-SHA-512", PASSWORD)
    listed = asked(broker, "list", "carol").stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["USER", "MECHANISM", "ITERATIONS"],
        ["carol", "SCRAM-SHA-256", "4096"],
        ["carol", "SCRAM-SHA-512", "8192"],
    ]
    assert [*json.loads(asked(broker, "list", "--json").stdout)] == ["alice", "bob", "carol"]
    done = asked(broker, "remove", "carol")
    assert done.stdout == "removed carol: SCRAM-SHA-256, SCRAM-SHA-512\n"
    assert not logs_in(broker, "SCRAM-SHA-256", PASSWORD)


def test_what_cannot_be_is_told(broker: ChildBroker) -> None:
    assert "no password in its first line" in asked(broker, "add", "dave", code=2).stderr
    too_few = asked(broker, "add", "dave", "--iterations", "7", data="x\n", code=1)
    assert "UNACCEPTABLE_CREDENTIAL: Too few iterations" in too_few.stderr
    assert "does not exist" in asked(broker, "remove", "dave", code=1).stderr
    assert "does not exist" in asked(broker, "list", "dave", code=1).stderr


def test_a_directory_that_no_broker_uses(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()

    def offline(*words: str, code: int = 0, data_in: str = "") -> str:
        done = users(*words, "--log-dirs", str(data), data=data_in, code=code)
        return done.stdout + done.stderr

    assert offline("list") == ""
    offline("add", "carol", data_in=f"{PASSWORD}\n")
    offline("add", "dave", data_in="x\n")
    assert offline("remove", "dave", "--mechanism", "SCRAM-SHA-256").startswith("removed dave")
    assert [line.split()[:2] for line in offline("list").splitlines()[1:]] == [
        ["carol", "SCRAM-SHA-256"],
        ["carol", "SCRAM-SHA-512"],
        ["dave", "SCRAM-SHA-512"],
    ]
    assert "does not exist" in offline("remove", "nobody", code=1)
    assert "Too few iterations" in offline("add", "x", "--iterations", "7", code=1, data_in="x\n")
    with ChildBroker(data_dir=data, security="SASL_PLAINTEXT") as started:
        assert logs_in(started, "SCRAM-SHA-512", PASSWORD)
        assert "in use" in offline("list", code=1)
