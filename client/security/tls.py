"""EDGE: TLS: the context that options ask for, and in words what went wrong with it.

Only PEM is read here, as in kafka-python. Names in certificates are checked by the ssl module.
Tests: tests/unit/client/security/test_tls.py
"""

from __future__ import annotations

import ssl
from ssl import SSLContext
from typing import Final

from ..door.security_options import SecurityOptions
from ..errors import AuthenticationFailed, ClientError, ConnectionFailed

JKS: Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")  # how JKS and JCEKS begin
DER: Final = b"\x30"  # how PKCS12 begins, and any other DER
# Source: OpenSSL's x509_vfy.h.
NOT_YET_VALID, EXPIRED, WRONG_HOST, WRONG_ADDRESS = 9, 10, 62, 64
SELF_SIGNED: Final = (18, 19)
UNKNOWN_ISSUER: Final = (2, 20, 21)
WRONG_HOSTS: Final = (WRONG_HOST, WRONG_ADDRESS)
NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH")
WANTS_CERTIFICATE: Final = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "HANDSHAKE_FAILURE")
PLAINTEXT_HINT: Final = (
    "is this its TLS listener? a PLAINTEXT or SASL_PLAINTEXT one understands no TLS"
)


def context_of(options: SecurityOptions) -> SSLContext:
    """The ssl.SSLContext that the options ask for, or that was given.

    Raises:
        OSError: a file cannot be read; the text names the option.
        ValueError: a file holds something else, or its password is another.
    """
    if options.ssl_context is not None:
        return options.ssl_context
    if options.ssl_cafile is None and options.ssl_cadata is None:
        context = ssl.create_default_context()
    else:
        context = _trusting(options)
    context.check_hostname = options.ssl_check_hostname
    if options.ssl_certfile is not None:
        _load_own(context, options)
    return context


def _trusting(options: SecurityOptions) -> SSLContext:
    """A context that trusts the certificates that are named, and no others."""
    texts = [options.ssl_cadata or ""]
    if options.ssl_cafile is not None:
        texts.append(pem_text("ssl_cafile", options.ssl_cafile))
    try:
        return ssl.create_default_context(cadata="\n".join(texts))
    except (ssl.SSLError, ValueError) as error:
        name = "ssl_cadata" if options.ssl_cafile is None else "ssl_cafile"
        raise ValueError(f"{name} holds no certificates in PEM: {words_of(error)}") from None


def pem_text(name: str, path: str) -> str:
    """The text of a file of PEM.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a store of another kind; the text tells how to convert it.
    """
    try:
        with open(path, "rb") as file:
            held = file.read()
    except OSError as error:
        raise OSError(error.errno, f"{name} cannot be read: {error.strerror}", path) from None
    if held.startswith(JKS):
        raise ValueError(
            f"{name}={path!r} is a Java key store: keytool -importkeystore -srckeystore "
            f"{path} -destkeystore {path}.p12 -deststoretype PKCS12 makes PKCS12 of it, and "
            f"openssl pkcs12 -in {path}.p12 -out {path}.pem makes PEM of that"
        )
    if held.startswith(DER):
        raise ValueError(
            f"{name}={path!r} is PKCS12 or DER, and PEM is expected: "
            f"openssl pkcs12 -in {path} -out {path}.pem"
        )
    try:
        return held.decode("ascii", "strict" if b"-----BEGIN" not in held else "ignore")
    except UnicodeDecodeError:
        raise ValueError(f"{name}={path!r} is no PEM") from None


def _load_own(context: SSLContext, options: SecurityOptions) -> None:
    """The client's own certificate and key."""
    certfile, keyfile = options.ssl_certfile or "", options.ssl_keyfile
    pem_text("ssl_certfile", certfile)
    if keyfile is not None:
        pem_text("ssl_keyfile", keyfile)
    load_chain(context, certfile, keyfile, options.ssl_password, "ssl_password")


def load_chain(
    context: SSLContext, certfile: str, keyfile: str | None, password: str | None, option: str
) -> None:
    """Load a certificate and its key; never ask for a password on a terminal.

    Args:
        option: what the password is called where the text is read.

    Raises:
        ValueError: the two do not belong together, or the password is another.
    """
    asked = _Asked(password)
    try:
        context.load_cert_chain(certfile, keyfile, asked)
    except (ssl.SSLError, ValueError) as error:
        where = keyfile or certfile
        if asked.was_asked and not password:
            raise ValueError(f"the key in {where} is encrypted: give {option}") from None
        if asked.was_asked and "KEY_VALUES_MISMATCH" not in str(error):
            raise ValueError(f"the key in {where} cannot be read with this {option}") from None
        if "KEY_VALUES_MISMATCH" in str(error):
            raise ValueError(f"the key in {where} is not that of {certfile}") from None
        raise ValueError(f"{certfile}: no certificate and key in PEM: {words_of(error)}") from None


class _Asked:
    """Gives a password, and remembers that it was asked for one."""

    def __init__(self, password: str | None) -> None:
        self._password = password
        self.was_asked = False

    def __call__(self) -> str:
        self.was_asked = True
        return self._password or ""


def words_of(error: BaseException) -> str:
    """What OpenSSL said, without its file names and line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason:
        return str(error.reason).replace("_", " ").lower()
    return str(error) or type(error).__name__


def is_tls(error: BaseException | None) -> bool:
    """Whether it is TLS that went wrong, and not only the connection below it."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)


def trouble_of(error: BaseException, where: str) -> ClientError:
    """What went wrong with TLS, by what can be done about it.

    Args:
        where: host:port.

    Returns: AuthenticationFailed where one side does not trust the other, or is not who it should
        be; ConnectionFailed where it may work later.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return AuthenticationFailed(f"{where} is not trusted: {_distrust(error, where)}")
    reason = str(getattr(error, "reason", None) or "")
    if any(word in reason for word in NO_TLS):
        return AuthenticationFailed(f"{where} answered something that is no TLS: {PLAINTEXT_HINT}")
    if any(word in reason for word in WANTS_CERTIFICATE):
        return AuthenticationFailed(
            f"{where} refused this client in the TLS handshake ({words_of(error)}): does it ask "
            "for a client's certificate? ssl_certfile and ssl_keyfile name one"
        )
    if "ALERT" in reason:
        return AuthenticationFailed(
            f"{where} refused this client in the TLS handshake: {words_of(error)}"
        )
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return ConnectionFailed(f"{where} ended the TLS handshake without a word: {PLAINTEXT_HINT}")
    return ConnectionFailed(f"TLS with {where} failed: {words_of(error)}")


def _distrust(error: ssl.SSLCertVerificationError, where: str) -> str:
    host = where.rpartition(":")[0]
    if error.verify_code == EXPIRED:
        return "its certificate has expired: a new one is needed there (or is this clock wrong?)"
    if error.verify_code == NOT_YET_VALID:
        return "its certificate is not valid yet: is the clock right, here and there?"
    if error.verify_code in WRONG_HOSTS:
        return (
            f"its certificate is for another name than {host}: connect by a name that stands in it "
            "(advertised.listeners of that broker decides it), or set ssl_check_hostname=False"
        )
    if error.verify_code in (*SELF_SIGNED, *UNKNOWN_ISSUER):
        return (
            "its certificate is signed by nobody known here: ssl_cafile names the authority "
            f"({words_of(error)})"
        )
    return words_of(error)
