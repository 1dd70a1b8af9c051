"""What is said of handshakes that fail."""

from __future__ import annotations

import ssl

from minibroker.broker.security.tls_words import handshake_words, is_tls, no_tls_words


def test_the_first_bytes_tell_who_speaks_no_tls() -> None:
    assert is_tls(b"\x16\x03\x01")
    assert not is_tls(b"")
    assert not is_tls(b"\0\0\0\x20\0\x12")
    assert no_tls_words(b"\0\0\0\x20", "SASL_SSL") == (
        "a client without TLS; this listener is SASL_SSL: set security.protocol=SASL_SSL there"
    )
    assert "HTTP" in no_tls_words(b"GET / HTTP/1.1", "SSL")


def test_an_error_is_told_in_words() -> None:
    error = ssl.SSLError(1, "text")
    error.reason = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
    assert "has no certificate" in handshake_words(error)
    error.reason = "SOMETHING_NEW"
    assert handshake_words(error) == "TLS failed: SOMETHING_NEW"
    assert handshake_words(OSError("gone")) == "TLS failed: gone"
