"""EDGE: from a listener's settings to an SSLContext, and to another when its files have changed.

A connection takes the context of the moment it is accepted; those that are there keep theirs. A
store that cannot be read any more is told once, and the context before it stays in force.
Source: SslFactory.java, DefaultSslEngineFactory.java.
Tests: tests/unit/broker/security/test_stores.py
"""

from __future__ import annotations

import logging
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config.listener_security import Store, TlsSettings
from ..config.properties import ConfigError
from ..log_lines import Event
from .stores import KeyAndCertificates, file_of, read_keystore, read_truststore

logger = logging.getLogger("minibroker")

LOOK_EVERY_S = 1.0
_AUTH = {"none": ssl.CERT_NONE, "requested": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
# What OpenSSL calls what Java calls TLS_RSA_WITH_AES_128_CBC_SHA256, part by part.
_JAVA_PARTS = (
    ("TLS_", ""),
    ("RSA_WITH_", "RSA-"),
    ("ECDSA_WITH_", "ECDSA-"),
    ("AES_128_", "AES128_"),
    ("AES_256_", "AES256_"),
    ("_CBC_", "_"),
    ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
    ("_", "-"),
)
_OF_TLS_1_3 = ("TLS_AES_", "TLS_CHACHA20_")

Signature = tuple[tuple[int, int, int] | None, ...]


class TlsContext:
    """The context of one listener.

    Raises:
        ConfigError: a store cannot be read, or a setting is not understood.
    """

    def __init__(self, listener: str, settings: TlsSettings) -> None:
        self._listener = listener
        self._settings = settings
        self._files = [
            file
            for store in (settings.keystore, settings.truststore)
            if store is not None and (file := file_of(store)) is not None
        ]
        self._signature = self._look()
        self._looked_at = time.monotonic()
        self._context = make_context(settings)

    def current(self) -> ssl.SSLContext:
        """The context for a connection that is accepted now."""
        now = time.monotonic()
        if self._files and now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            signature = self._look()
            if signature != self._signature:
                self._signature = signature
                self._reload()
        return self._context

    def _reload(self) -> None:
        try:
            self._context = make_context(self._settings)
        except ConfigError as error:
            logger.error(
                Event(
                    "certificates-not-reloaded",
                    listener=self._listener,
                    why=error,
                    then="those of before stay in force",
                )
            )
            return
        logger.info(Event("certificates-reloaded", listener=self._listener))

    def _look(self) -> Signature:
        return tuple(map(_signature_of, self._files))


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """A context as the settings say. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION  # a handshake is computed once, off the loop
    _set_versions(context, settings.versions)
    if settings.cipher_suites:
        _set_ciphers(context, settings.cipher_suites)
    keystore = read_keystore(settings.keystore)
    _load_chain(context, settings.keystore, keystore)
    context.verify_mode = _AUTH[settings.client_auth]
    if settings.truststore is not None:
        _load_authorities(context, settings.truststore)
    return context


def _set_versions(context: ssl.SSLContext, versions: tuple[str, ...]) -> None:
    known = sorted(_VERSIONS[each] for each in versions)
    if not known:
        raise ConfigError("ssl.enabled.protocols: give TLSv1.2, TLSv1.3 or both")
    context.minimum_version, context.maximum_version = known[0], known[-1]


def _set_ciphers(context: ssl.SSLContext, suites: tuple[str, ...]) -> None:
    newest = [each for each in suites if each.startswith(_OF_TLS_1_3)]
    older = [each for each in suites if each not in newest]
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif not older:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if context.minimum_version > context.maximum_version:
        raise ConfigError("ssl.cipher.suites: none of them belongs to ssl.enabled.protocols")
    for each in older:
        try:
            context.set_ciphers(openssl_name(each))
        except ssl.SSLError:
            raise ConfigError(f"ssl.cipher.suites={each}: OpenSSL knows no such suite") from None
    if older:
        context.set_ciphers(":".join(map(openssl_name, older)))


def openssl_name(suite: str) -> str:
    """What OpenSSL calls a cipher suite, by Java's name; its own names stay."""
    if not suite.startswith("TLS_"):
        return suite
    for java, openssl in _JAVA_PARTS:
        suite = suite.replace(java, openssl)
    return suite.removeprefix("RSA-")


def _load_chain(context: ssl.SSLContext, store: Store, found: KeyAndCertificates) -> None:
    def password() -> str:
        # Without it OpenSSL would ask at the terminal, and a broker would wait there for ever.
        if found.password is None:
            raise ConfigError("ssl.key.password: the private key is encrypted; give its password")
        return found.password

    with _in_file(found.certificates + found.key) as path:
        try:
            context.load_cert_chain(path, password=password)
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or "unknown"
            raise ConfigError(
                f"ssl.{store.what}: OpenSSL does not take it ({reason}); does the key belong to "
                "the first certificate, and is ssl.key.password right?"
            ) from None


def _load_authorities(context: ssl.SSLContext, store: Store) -> None:
    text = read_truststore(store)
    try:
        context.load_verify_locations(cadata=text)
    except ssl.SSLError as error:
        raise ConfigError(f"ssl.{store.what}: OpenSSL does not take it ({error.reason})") from None


@contextmanager
def _in_file(text: str) -> Iterator[str]:
    """A file with `text` that nobody else can open, gone behind the block: `ssl` reads files only.

    In memory where the system has such files; else on disk, for its owner alone (mode 0600).
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("minibroker-store")
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        yield path
    finally:
        Path(path).unlink()


def _signature_of(file: Path) -> tuple[int, int, int] | None:
    """What is another when a file has changed; None if it cannot be seen."""
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
