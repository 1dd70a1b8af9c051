"""EDGE: what secures the connections of one client: its TLS context, and how it logs in.

Read next: tls.py, login.py; where both are used: cluster/connection.py.
Tests: tests/unit/client/security/test_tls.py, tests/interop/clients/test_our_client_security.py
"""

from __future__ import annotations

import logging
from ssl import SSLContext
from typing import NamedTuple

from ..door.security_options import SecurityOptions
from .login import Login
from .tls import context_of

logger = logging.getLogger("minibroker.client")


class Security(NamedTuple):
    """What every connection of a client has in common."""

    protocol: str
    context: SSLContext | None
    login: Login | None


def security(options: SecurityOptions) -> Security:
    """Read the certificates that are named, and remember how to log in.

    Raises:
        OSError: a file cannot be read; the text names the option.
        ValueError: a file holds something else.
    """
    if options.sasl_mechanism == "PLAIN" and not options.is_encrypted:
        logger.warning(
            "security_protocol=%s and sasl_mechanism=PLAIN: the password of %r travels readable "
            "for all on the way; SASL_SSL hides it, SCRAM-SHA-512 does not send it",
            options.security_protocol,
            options.sasl_plain_username,
        )
    return Security(
        options.security_protocol,
        context_of(options) if options.is_encrypted else None,
        Login(options) if options.logs_in else None,
    )
