"""EDGE: where a command finds its brokers, and how: options, then environment, then a file.

Without security nothing of TLS and SASL is imported: most commands pass here within a millisecond.
Read next: command_config.py.
Tests: tests/unit/cli/asking/test_command_config.py
"""

from __future__ import annotations

import os
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...broker.config.properties import ConfigError
from ..terminal.addresses import HERE, VARIABLE, Address, parse_addresses, server_names
from ..terminal.running import WrongUsage

if TYPE_CHECKING:
    from ...client.door.security_options import SecurityArguments
    from ...client.security.security import Security

CONFIG_VARIABLE = "COMMAND_CONFIG"
PROTOCOL_VARIABLE = "SECURITY_PROTOCOL"


class Reach:
    """The brokers a command asks, and how.

    Args:
        args: of a command with add_bootstrap_server.
        needs_user: whether who logs in must be said, where somebody must.

    Attributes:
        addresses: (host, port) of each, tried in turn.
        security: what our clients are to be made with.
        given: what the file and the environment say, by the names that they use.

    Raises:
        WrongUsage: a file or the environment says what cannot be.
    """

    def __init__(
        self,
        args: Namespace,
        environment: Mapping[str, str] = os.environ,
        *,
        needs_user: bool = True,
    ) -> None:
        self.security: SecurityArguments = {}
        self.given: Mapping[str, str] = {}
        path = args.command_config or environment.get(CONFIG_VARIABLE)
        told: str | None = None
        if path or PROTOCOL_VARIABLE in environment:
            from .command_config import Secured

            try:
                secured = Secured(path or None, environment, needs_user=needs_user)
            except ConfigError as error:
                raise WrongUsage(str(error)) from None
            self.security.update(secured.arguments)  # type: ignore[typeddict-item]
            told, self.given = secured.servers, secured.given
        if args.bootstrap_server is not None:
            self.addresses: list[Address] = args.bootstrap_server
        else:
            try:
                self.addresses = parse_addresses(environment.get(VARIABLE) or told or HERE)
            except ArgumentTypeError as error:
                raise WrongUsage(f"{VARIABLE} or bootstrap.servers: {error}") from None

    @property
    def servers(self) -> list[str]:
        """HOST:PORT of each, as our clients take them."""
        return server_names(self.addresses)

    def of_connections(self) -> Security | None:
        """The same for those who open a single connection."""
        if self.security.get("security_protocol", "PLAINTEXT") == "PLAINTEXT":
            return None
        from ...client.config import AdminConfig
        from ...client.security.security import security

        return security(AdminConfig(bootstrap_servers=tuple(self.addresses), **self.security))
