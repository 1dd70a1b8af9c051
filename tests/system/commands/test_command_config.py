"""Every command that asks a broker reaches a secured one, and no password is seen on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from minibroker.testing import ChildBroker

from tests.support.processes.commands import run

COMMANDS = (
    "topics create made",
    "topics describe orders",
    "consume orders --from-beginning",
    "groups list",
    "configs describe --entity-type topics --entity-name orders",
    "transactions list",
    "explain orders",
    "users list",
    "healthcheck",
)


@pytest.fixture(scope="module")
def broker() -> Iterator[ChildBroker]:
    with ChildBroker(security="SASL_SSL") as running:
        running.create_topic("orders")  # here: the commands may be run by different workers
        yield running


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_reaches_a_secured_broker(command: str, broker: ChildBroker) -> None:
    here = {"BOOTSTRAP_SERVERS": broker.bootstrap_servers}
    file, words = broker.security.write_properties(), command.split()
    done = run(*words, "--command-config", file, env=here)
    assert done.returncode == 0, done.stderr
    if not command.startswith("topics create"):
        by_variable = run(*words, env=here | {"COMMAND_CONFIG": file})
        assert (by_variable.returncode, by_variable.stdout) == (0, done.stdout)
    without = run(*words, env=here)
    assert without.returncode == 1
    assert b"take security_protocol=" in without.stderr or b"healthcheck" in command.encode()


def test_variables_alone(broker: ChildBroker) -> None:
    security = broker.security
    variables = {
        "BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": "alice",
        "SASL_PASSWORD": "alice-secret",
        "SSL_CA_LOCATION": security.authority,
    }
    assert run("produce", "variables", text=b"a\n", env=variables).returncode == 0
    assert run("consume", "variables", env=variables).stdout == b"a\n"
    wrong = run("consume", "variables", env=variables | {"SASL_PASSWORD": "do-not-show-me"})
    assert wrong.returncode == 1
    assert b"refused the login by PLAIN as 'alice'" in wrong.stderr
    assert b"do-not-show-me" not in wrong.stderr + wrong.stdout


def test_what_a_file_says_wrongly_is_wrong_usage(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("security.protocol=SASL_SSL\nsasl.usrname=x\n")
    for command in ("topics list", "explain t", "consume t", "healthcheck", "produce t"):
        done = run(*command.split(), "--command-config", str(file))
        assert done.returncode == 2, done.stderr
        assert b"sasl.usrname is not known here; did you mean sasl.username?" in done.stderr
