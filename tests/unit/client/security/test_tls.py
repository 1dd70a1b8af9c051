"""TLS in words: what files hold, and what a handshake fails of, against the ssl module's server."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from minibroker.client.cluster.connection import Connection
from minibroker.client.config import ProducerConfig
from minibroker.client.errors import AuthenticationFailed, ClientError, ConnectionFailed
from minibroker.client.security.security import security
from minibroker.client.security.tls import context_of
from minibroker.testing.security.certificates import Certificates

HERE = (("h", 1),)
BOUND_MS = 5_000


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


def options(**given: Any) -> ProducerConfig:
    return ProducerConfig(bootstrap_servers=HERE, security_protocol="SSL", **given)


@asynccontextmanager
async def tls_server(
    tmp_path: Path,
    certificates: Certificates,
    name: str = "server",
    *,
    asks: bool = False,
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> AsyncIterator[int]:
    """The port of a TLS server that reads, and never answers."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    if newest < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")  # else it could not even speak it
    context.load_cert_chain(*certificates.write(tmp_path, name))
    if asks:
        context.load_verify_locations(cadata=certificates.authority_pem)
        context.verify_mode = ssl.CERT_REQUIRED

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
        except ssl.SSLError:
            pass  # it is the client who tells what went wrong
        finally:
            writer.close()

    server = await asyncio.start_server(read, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def failure(port: int, config: ProducerConfig) -> ClientError:
    with pytest.raises(ClientError) as caught:
        await Connection.open("127.0.0.1", port, timeout_ms=BOUND_MS, security=security(config))
    return caught.value


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("expired", "its certificate has expired"),
        ("wrong_host", "its certificate is for another name than 127.0.0.1"),
    ],
)
async def test_a_certificate_that_is_wrong(
    name: str, why: str, tmp_path: Path, certificates: Certificates
) -> None:
    async with tls_server(tmp_path, certificates, name) as port:
        error = await failure(port, options(ssl_cadata=certificates.authority_pem))
    assert isinstance(error, AuthenticationFailed)
    assert why in str(error)


async def test_a_name_is_not_looked_at_where_nobody_wants_it(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with tls_server(tmp_path, certificates, "wrong_host") as port:
        trusting = options(ssl_cadata=certificates.authority_pem, ssl_check_hostname=False)
        error = await failure(port, trusting)
    assert isinstance(error, ConnectionFailed), "TLS went well, and no Kafka is there"


async def test_an_authority_nobody_knows(tmp_path: Path, certificates: Certificates) -> None:
    async with tls_server(tmp_path, certificates) as port:
        error = await failure(port, options(ssl_cadata=Certificates().authority_pem))
    assert isinstance(error, AuthenticationFailed)
    assert "signed by nobody known here: ssl_cafile names the authority" in str(error)


async def test_a_server_that_speaks_only_what_is_broken(
    tmp_path: Path, certificates: Certificates
) -> None:
    old = ssl.TLSVersion.TLSv1_1
    async with tls_server(tmp_path, certificates, newest=old) as port:
        error = await failure(port, options(ssl_cadata=certificates.authority_pem))
    # asyncio's server closes without the alert; had TLS gone well, no Kafka would be there.
    assert "ended the TLS handshake without a word" in str(error)


async def test_a_server_that_asks_for_a_certificate(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with tls_server(tmp_path, certificates, asks=True) as port:
        error = await failure(port, options(ssl_cadata=certificates.authority_pem))
        # asyncio's server closes without the alert that Kafka sends; tests/interop has that.
        assert "if it asks for a client's certificate, ssl_certfile and ssl_keyfile" in str(error)
        certfile, keyfile = certificates.write(tmp_path, "client")
        known = options(
            ssl_cadata=certificates.authority_pem, ssl_certfile=certfile, ssl_keyfile=keyfile
        )
        error = await failure(port, known)
    assert isinstance(error, ConnectionFailed), "TLS went well, and no Kafka is there"


@pytest.mark.parametrize(
    ("said", "kind"),
    [(b"HTTP/1.1 400 Bad Request\r\n", AuthenticationFailed), (b"", ConnectionFailed)],
)
async def test_a_server_that_speaks_no_tls(
    said: bytes, kind: type[ClientError], certificates: Certificates
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(port, options(ssl_cadata=certificates.authority_pem))
    assert "is this its TLS listener?" in str(error)
    assert isinstance(error, kind)


async def test_a_plaintext_client_at_a_tls_listener(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with tls_server(tmp_path, certificates) as port:
        with pytest.raises(ConnectionFailed, match="take security_protocol='SSL' or 'SASL_SSL'"):
            await Connection.open("127.0.0.1", port, timeout_ms=BOUND_MS)


def test_files_that_hold_something_else(tmp_path: Path, certificates: Certificates) -> None:
    store = tmp_path / "store"
    for begins, why in (
        (b"\xfe\xed\xfe\xed\x00", "Java key store: keytool -importkeystore"),
        (b"\x30\x82\x01", "openssl pkcs12"),
        (b"hello", "no certificates in PEM"),
        (b"\x80\x80", "no PEM"),
        (b"", "no certificates in PEM"),
    ):
        store.write_bytes(begins)
        with pytest.raises(ValueError, match="ssl_cafile") as caught:
            context_of(options(ssl_cafile=str(store)))
        assert why in str(caught.value)
    with pytest.raises(FileNotFoundError, match="ssl_cafile cannot be read"):
        context_of(options(ssl_cafile=str(tmp_path / "missing")))
    with pytest.raises(ValueError, match="ssl_cadata holds no certificates"):
        context_of(options(ssl_cadata="x"))


def test_keys_that_do_not_fit(tmp_path: Path, certificates: Certificates) -> None:
    from cryptography.hazmat.primitives import serialization as forms

    trusted = {"ssl_cadata": certificates.authority_pem}
    certfile, keyfile = certificates.write(tmp_path, "client")
    _, other = certificates.write(tmp_path, "server")
    with pytest.raises(ValueError, match="is not that of"):
        context_of(options(**trusted, ssl_certfile=certfile, ssl_keyfile=other))
    key = forms.load_pem_private_key(Path(keyfile).read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            forms.Encoding.PEM,
            forms.PrivateFormat.PKCS8,
            forms.BestAvailableEncryption(b"open-sesame"),
        )
    )
    pair = {**trusted, "ssl_certfile": certfile, "ssl_keyfile": str(locked)}
    with pytest.raises(ValueError, match="is encrypted: give ssl_password"):
        context_of(options(**pair))
    with pytest.raises(ValueError, match="cannot be read with this ssl_password") as caught:
        context_of(options(**pair, ssl_password="sesame"))
    assert "sesame" not in str(caught.value)
    context_of(options(**pair, ssl_password="open-sesame"))
    with pytest.raises(ValueError, match="no certificate and key in PEM"):
        context_of(options(**trusted, ssl_certfile=certfile))
