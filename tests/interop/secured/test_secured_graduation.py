"""`graduate` with TLS and SASL at both ends: MirrorMaker logs in with what it was given, and keeps
no secret in the new cluster.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from minibroker.cli.commands import graduate
from minibroker.cli.parsers import parser_of
from minibroker.client import Admin, OffsetAndMetadata, Producer, TopicPartition
from minibroker.testing import TestBroker

from tests.interop.commands.graduating import read_all, skip_without_tools, until
from tests.support.processes.kafka import RealKafka
from tests.support.processes.mirror import Mirror
from tests.support.processes.secure_kafka import SCRAM_USERS, SecureListeners

COUNT = 300
PARTITIONS = 2
MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


@pytest.mark.interop
async def test_graduation_with_logins_at_both_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_without_tools()
    listeners = SecureListeners()
    with RealKafka(heap="512m", secured=listeners) as kafka:
        async with TestBroker(security="SASL_SSL") as ours:
            await fill(ours)
            properties = [tmp_path / "old.properties", tmp_path / "new.properties"]
            passwords = [
                write_ours(properties[0], ours),
                write_kafkas(properties[1], listeners.certificates.write_authority(tmp_path)),
            ]
            directory = tmp_path / "graduate"
            words = ["--bootstrap-server", ours.bootstrap_servers, "--json"]
            words += ["--to", kafka.servers("SASL_SSL"), "--directory", str(directory)]
            words += ["--command-config", str(properties[0])]
            words += ["--to-command-config", str(properties[1]), "--within", "300"]

            async def walk(*options: str) -> dict[str, Any]:
                capsys.readouterr()
                args = parser_of("graduate").parse_args([*words, *options])
                assert await graduate._run(args) == 0
                document: dict[str, Any] = json.loads(capsys.readouterr().out)
                return document

            first = asyncio.create_task(walk())
            mirror = directory / "mirror.properties"
            await until(lambda: mirror.exists() or first.done(), "the configuration")
            with Mirror(mirror) as running:
                try:
                    assert (await first)["records"] == COUNT
                except BaseException:
                    print(running.said)
                    raise
                await walk("--producers-stopped")
                told = await walk("--consumers-stopped")
            assert (told["equal"], told["groups"]) == (True, ["billing"])
        kept = await read_configs(kafka.bootstrap_servers)
    assert any("${file:" in each for each in kept)
    texts = [*kept, mirror.read_text()]
    assert not [each for each in texts for password in passwords if password in each]


async def fill(ours: TestBroker) -> None:
    """Records, and a position."""
    ours.create_topic("orders", partitions=PARTITIONS)
    options = ours.security.options()
    async with Producer(ours.bootstrap_servers, **options) as producer:
        for n in range(COUNT):
            await producer.send("orders", b"%d" % n, partition=n % PARTITIONS)
    async with Admin(ours.bootstrap_servers, **options) as admin:
        place = TopicPartition("orders", 1)
        await admin.alter_group_offsets("billing", {place: OffsetAndMetadata(7, "")})


def write_ours(path: Path, ours: TestBroker) -> str:
    """A file by librdkafka's names; the password in it."""
    options = ours.security.options()
    write(
        path,
        {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": options["ssl_cafile"],
            "sasl.mechanisms": options["sasl_mechanism"],
            "sasl.username": options["sasl_plain_username"],
            "sasl.password": options["sasl_plain_password"],
        },
    )
    password: str = options["sasl_plain_password"]
    return password


def write_kafkas(path: Path, authority: str) -> str:
    """A file by Kafka's names; the password in it."""
    password = SCRAM_USERS["carol"]
    write(
        path,
        {
            "security.protocol": "SASL_SSL",
            "ssl.truststore.location": authority,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": f'{MODULE} required username="carol" password="{password}";',
        },
    )
    return password


def write(path: Path, lines: dict[str, str]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    path.chmod(0o600)


async def read_configs(servers: str) -> list[str]:
    """What MirrorMaker keeps of its configuration."""
    place = TopicPartition("mm2-configs.old.internal", 0)
    return [each.decode() for each in await read_all(servers, [place]) if each is not None]
