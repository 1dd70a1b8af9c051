"""EDGE: attacks on a listener with TLS: handshakes that never end, and very many of them.

A third of the connections says nothing, a third begins a hello and never ends it, and for the last
third the broker has to sign before it waits in vain. Meanwhile a client with TLS wants to get in.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack, suppress

from tests.hostile.peer import ANSWER_S, API_VERSIONS, Neglected, frame

HALF_OPEN = 1_200  # more than a broker keeps
FLOOD = 2_000


def whole_hello(newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What a client says first that speaks no newer version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = newest
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("nobody has answered, and it is over")


def half_open(tls_port: int, size: float) -> None:
    """Handshakes that stop in the middle, all at once; then as many as can be begun and left."""
    hello = whole_hello()
    said = (b"", hello[:7], hello)
    with ExitStack() as stack:
        for number in range(int(HALF_OPEN * size)):
            stack.enter_context(_begun(tls_port, said[number % len(said)]))
        _gets_in(tls_port)
    for _ in range(int(FLOOD * size)):
        _begun(tls_port, hello).close()
    _gets_in(tls_port)


def _begun(port: int, said: bytes) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), ANSWER_S)
    with suppress(OSError):  # it may be turned away before it has said it
        peer.sendall(said)
    return peer


def _gets_in(port: int) -> None:
    """A client that ends its handshake is served. Raises Neglected."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), ANSWER_S) as raw,
            context.wrap_socket(raw) as peer,
        ):
            peer.sendall(frame(API_VERSIONS, 0, b""))
            if not peer.recv(4):
                raise Neglected("a client with TLS was let in and not answered")
    except TimeoutError:
        raise Neglected(f"a client with TLS was not let in within {ANSWER_S:g} s") from None
