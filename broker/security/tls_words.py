"""What a handshake that fails is called in the log, for who has to mend it.

Tests: tests/unit/broker/security/test_tls_words.py
"""

from __future__ import annotations

_HANDSHAKE = 22  # the first byte of every TLS connection
_HTTP_METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"CONN", b"PATC", b"PRI ")
_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client has no certificate, and ssl.client.auth is "
    "required here",
    "TLSV1_ALERT_UNKNOWN_CA": "the client does not trust the authority of this broker's "
    "certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the client does not accept this broker's certificate: does "
    "it trust its authority, and does the certificate name the host it has connected to?",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the client does not accept this broker's certificate: does it "
    "trust its authority, and does the certificate name the host it has connected to?",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the client says that this broker's certificate has expired",
    "UNSUPPORTED_PROTOCOL": "the client speaks no version of TLS that ssl.enabled.protocols allows",
    "VERSION_TOO_LOW": "the client speaks no version of TLS that ssl.enabled.protocols allows",
    "INAPPROPRIATE_FALLBACK": "the client speaks a newer version of TLS and was made to try this "
    "older one: somebody on the way spoils the newer one",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the client speaks no version of TLS that is allowed here",
    "NO_SHARED_CIPHER": "the client has no cipher suite that ssl.cipher.suites allows",
}


def is_tls(first: bytes | bytearray) -> bool:
    """Whether the first bytes of a connection are those of a TLS handshake."""
    return bool(first) and first[0] == _HANDSHAKE


def no_tls_words(first: bytes | bytearray, protocol: str) -> str:
    """What came in place of a handshake."""
    if bytes(first[:4]) in _HTTP_METHODS:
        return f"an HTTP request without TLS; this port speaks the Kafka protocol, as {protocol}"
    return (
        f"a client without TLS; this listener is {protocol}: set security.protocol={protocol} there"
    )


def handshake_words(error: BaseException) -> str:
    """Why a handshake failed, or TLS behind it."""
    verified = getattr(error, "verify_message", None)  # of ssl.SSLCertVerificationError
    if verified is not None:
        return f"the client's certificate is not accepted: {verified}"
    reason = getattr(error, "reason", None)  # of ssl.SSLError
    return f"TLS failed: {_REASONS.get(reason, reason) if reason else error}"
