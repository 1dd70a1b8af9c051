"""EDGE: what the administration commands share: one connection, refusals in words, configurations.

Here: finding the broker that must be asked, DescribeConfigs and IncrementalAlterConfigs for one
resource, the words of `--add-config`. Not here: what is printed (commands/topics.py,
commands/configs.py, terminal/tables.py).
Tests: tests/system/commands/test_cli_admin.py
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable
from typing import Any

from ...client.cluster.connection import Connection
from ...protocol.configs import AlterOperation, ResourceType
from ...protocol.errors import ErrorCode
from ...protocol.errors import error_code as error_of
from ...protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
)
from ...protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from ...protocol.messages.metadata import MetadataRequest
from ..terminal.running import CommandFailed, connect, no_topic, running

Verb = Callable[[Connection, Namespace], Awaitable[None]]


def run_verb(command: str, verb: Verb, args: Namespace) -> int:
    """Run one verb over one connection; returns the exit code, having said why it failed."""
    return running(f"{command} {args.verb}", lambda: _connected(verb, args))


async def _connected(verb: Verb, args: Namespace) -> int:
    connection = await connect(args.bootstrap_server)
    try:
        await verb(connection, args)
    finally:
        await connection.close()
    return 0


def check(number: int, message: str | None, subject: str) -> None:
    """Raise CommandFailed for an error code other than 0, naming what it is about."""
    if number == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        raise CommandFailed(no_topic(subject))
    if number:
        code = error_of(number)
        raise CommandFailed(f"{subject}: {code.name}: {message or code.text}")


def parse_config(text: str) -> tuple[str, str]:
    """(name, value) of NAME=VALUE. Raises ArgumentTypeError."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ArgumentTypeError(f"{text!r}: expected NAME=VALUE")
    return name.strip(), value


def parse_configs(text: str) -> list[tuple[str, str]]:
    """Pairs of `a=b,c=[d,e]`; brackets keep commas within a value. Raises ArgumentTypeError."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    pairs = [parse_config(part) for part in parts if part.strip()]
    return [
        (name, value[1:-1] if value.startswith("[") and value.endswith("]") else value)
        for name, value in pairs
    ]


def parse_names(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


async def brokers_of(connection: Connection) -> dict[int, tuple[str, int]]:
    """(host, port) by node id."""
    response = await connection.request(MetadataRequest(topics=[]))
    return {each.node_id: (each.host, each.port) for each in response.brokers}


async def ask_for(connection: Connection, kind: int, name: str, message: Any) -> Any:
    """Ask the broker that a resource belongs to, over a connection of its own if need be."""
    if kind != ResourceType.BROKER or not name:
        return await connection.request(message)
    brokers = await brokers_of(connection)
    if not name.isdecimal() or int(name) not in brokers:
        known = ", ".join(map(str, sorted(brokers)))
        raise CommandFailed(f"there is no broker {name}; the cluster has {known}")
    other = await Connection.open(*brokers[int(name)])
    try:
        return await other.request(message)
    finally:
        await other.close()


async def read_configs(
    connection: Connection, kind: int, name: str
) -> list[DescribeConfigsResourceResult]:
    """All properties of one resource, by name. Raises CommandFailed."""
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=None
    )
    request = DescribeConfigsRequest(
        resources=[resource], include_synonyms=True, include_documentation=True
    )
    (result,) = (await ask_for(connection, kind, name, request)).results
    check(result.error_code, result.error_message, name)
    configs: list[DescribeConfigsResourceResult] = result.configs
    return sorted(configs, key=lambda each: each.name)


async def change_configs(
    connection: Connection,
    kind: int,
    name: str,
    additions: list[tuple[str, str]],
    deletions: list[str],
) -> None:
    """Set and delete properties of one resource, all or none. Raises CommandFailed."""
    changes = [
        *(
            AlterableConfig(name=key, config_operation=AlterOperation.SET, value=text)
            for key, text in additions
        ),
        *(
            AlterableConfig(name=key, config_operation=AlterOperation.DELETE, value=None)
            for key in deletions
        ),
    ]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=changes)
    request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)
    (result,) = (await ask_for(connection, kind, name, request)).responses
    check(result.error_code, result.error_message, name or "all brokers")
