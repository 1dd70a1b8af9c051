"""EDGE: certificates for tests: an authority, a server's, a client's, and some that are wrong.

Made by `trustme` (the extra `testing`), which is imported when the first is asked for. Files are
written below a directory of the caller's, keys with mode 0600.
Tests: tests/unit/testing/security/test_certificates.py
"""

from __future__ import annotations

import datetime
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from trustme import CA, LeafCert

HERE = ("localhost", "127.0.0.1", "::1")
ELSEWHERE = ("elsewhere.invalid",)
OWNER_ONLY = 0o600


class Pair(NamedTuple):
    """A certificate with what stands above it, and its key; both PEM, the key PKCS#8."""

    certificate: str
    key: str

    @property
    def pem(self) -> str:
        """Both in one text: what Kafka takes as a key store of type PEM."""
        return f"{self.key}{self.certificate}"


class Certificates:
    """An authority of its own for each test.

    Attributes:
        names: host names and addresses of the server.
    """

    def __init__(self, names: tuple[str, ...] = HERE) -> None:
        self.names = names

    @cached_property
    def _authority(self) -> CA:
        try:
            from trustme import CA
        except ImportError:
            raise ImportError(
                "certificates for tests need trustme: pip install 'minibroker[testing]'"
            ) from None
        return CA()

    @property
    def authority_pem(self) -> str:
        """The authority's own certificate: what clients trust."""
        return self._authority.cert_pem.bytes().decode()

    def new_server(self, *names: str) -> Pair:
        """Another one of a server's at each call, for these names or for its own."""
        return _pair(self._authority.issue_cert(*(names or self.names)))

    def new_client(self, common_name: str) -> Pair:
        """Another one of a client's at each call: CN=common_name, OU=lab, O=tests."""
        return _pair(
            self._authority.issue_cert(
                "client@tests.invalid",
                common_name=common_name,
                organization_name="tests",
                organization_unit_name="lab",
            )
        )

    @cached_property
    def server(self) -> Pair:
        """A server's, for its names."""
        return self.new_server()

    @cached_property
    def expired(self) -> Pair:
        """A server's that was valid until yesterday."""
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        return _pair(
            self._authority.issue_cert(*self.names, not_before=now - 2 * day, not_after=now - day)
        )

    @cached_property
    def wrong_host(self) -> Pair:
        """A server's that is for another name."""
        return self.new_server(*ELSEWHERE)

    @cached_property
    def client(self) -> Pair:
        """A client's: CN=client, OU=lab, O=tests."""
        return self.new_client("client")

    def write(self, directory: Path, name: str) -> tuple[str, str]:
        """Write a pair; returns the paths of certificate and key.

        Args:
            name: "server", "client", "expired" or "wrong_host".
        """
        pair: Pair = getattr(self, name)
        certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
        certificate.write_text(pair.certificate, encoding="ascii")
        write_secret(key, pair.key)
        return str(certificate), str(key)

    def write_authority(self, directory: Path) -> str:
        """Write the authority's certificate; returns the path."""
        path = directory / "ca.crt"
        path.write_text(self.authority_pem, encoding="ascii")
        return str(path)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, and that nobody could read in between."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _pair(leaf: LeafCert) -> Pair:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
    return Pair(chain.decode(), text.decode())
