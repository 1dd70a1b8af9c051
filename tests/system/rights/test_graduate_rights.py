"""`minibroker graduate` with TLS, logins and rights at both ends."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.config.properties_file import parse_properties
from minibroker.cli.commands import graduate
from minibroker.cli.parsers import parser_of
from minibroker.cli.terminal.running import CommandFailed
from minibroker.testing import TestBroker

ENOUGH_ON_OLD = ("READ topic *", "DESCRIBE_CONFIGS topic *", "DESCRIBE group *", "ALL cluster")
ENOUGH_ON_NEW = ("ALL topic *", "ALL group *", "ALL cluster")
Both = tuple[TestBroker, TestBroker]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(TestBroker(seed=seed, security="SASL_SSL"))
            for seed in (1, 2)
        ]
        old.create_topic("orders", partitions=2)
        yield old, new


def properties_of(path: Path, options: Mapping[str, Any]) -> Path:
    """A file for --command-config, by librdkafka's names."""
    lines = {
        "security.protocol": options["security_protocol"],
        "ssl.ca.location": options["ssl_cafile"],
        "sasl.mechanisms": options["sasl_mechanism"],
        "sasl.username": options["sasl_plain_username"],
        "sasl.password": options["sasl_plain_password"],
    }
    path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    path.chmod(0o600)
    return path


async def looked(both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What the first step says of the two, and why it ended: there is no mirror."""
    files = [tmp_path / f"{name}.properties" for name in ("old", "new")]
    words = ["--bootstrap-server", both[0].bootstrap_servers, "--to", both[1].bootstrap_servers]
    words += ["--command-config", str(files[0]), "--to-command-config", str(files[1])]
    words += ["--directory", str(tmp_path / "graduate"), "--within", "0"]
    with pytest.raises(CommandFailed) as failed:
        await graduate._run(parser_of("graduate").parse_args(words))
    return capsys.readouterr().out, str(failed.value)


def user(
    both: Both, tmp_path: Path, old: tuple[str, ...] = ENOUGH_ON_OLD, new: tuple[str, ...] = ()
) -> None:
    """The user `mover`, who may do this on each side; its files."""
    for broker, name, allow in zip(both, ("old", "new"), (old, new or ENOUGH_ON_NEW), strict=True):
        properties_of(tmp_path / f"{name}.properties", broker.user("mover", allow=allow))


async def test_secrets_reach_the_mirror_in_a_file_of_their_own(
    both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user(both, tmp_path)
    said, why = await looked(both, tmp_path, capsys)
    assert "has not made orders; does MirrorMaker run" in why
    assert "stops" not in said
    directory = tmp_path / "graduate"
    mirror, secrets = directory / "mirror.properties", directory / "secrets.properties"
    found = parse_properties(mirror.read_text())
    for alias in ("old", "new"):
        password = parse_properties((tmp_path / f"{alias}.properties").read_text())["sasl.password"]
        assert password not in mirror.read_text()
        assert password not in said
        assert f'password="{password}"' in secrets.read_text()
        assert found[f"{alias}.security.protocol"] == "SASL_SSL"
        assert found[f"{alias}.ssl.truststore.type"] == "PEM"
        name = f"{alias}.sasl.jaas.config"
        assert found[name] == f"${{file:{secrets}:{name}}}"
    for path in (mirror, secrets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_a_right_that_is_missing_is_named_before_anything_is_written(
    both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both[1].create_topic("orders", partitions=2)
    cases = {
        "missing: Read on orders of the old cluster": (
            ("DESCRIBE topic *", *ENOUGH_ON_OLD[1:]),
            (),
        ),
        "missing: Describe_Configs on orders of the old cluster": (
            ("READ topic *", *ENOUGH_ON_OLD[2:]),
            (),
        ),
        "missing: Write on orders of the new cluster": (
            ENOUGH_ON_OLD,
            ("READ topic *", "CREATE topic *", "ALTER topic *", "ALTER_CONFIGS topic *"),
        ),
    }
    for text, rights in cases.items():
        user(both, tmp_path, *rights)
        said, why = await looked(both, tmp_path, capsys)
        assert text in said
        assert "nothing has been changed" in why
        assert not (tmp_path / "graduate" / "mirror.properties").exists()


async def test_who_may_not_make_the_topics_of_the_mirror_is_told(
    both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user(both, tmp_path, new=("ALL topic orders", "ALL group *", "DESCRIBE_CONFIGS topic *"))
    said, _ = await looked(both, tmp_path, capsys)
    assert "would not create mm2-configs.old.internal: TOPIC_AUTHORIZATION_FAILED" in said


async def test_what_is_hidden_from_a_user_is_said_to_be(
    both: Both, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both[0].create_topic("hidden")
    rights = ("READ topic orders", "DESCRIBE_CONFIGS topic orders", "DESCRIBE group *")
    user(both, tmp_path, old=rights)
    said, why = await looked(both, tmp_path, capsys)
    assert "1 of 2 partitions" in said, why
    assert "may not describe in the old cluster are not seen" in said
