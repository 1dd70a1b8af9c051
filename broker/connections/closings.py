"""Why connections were closed or refused, told to the operator: once a second and peer.

The peer is a stranger, perhaps of another protocol. So what is read here of a frame that could not
be served is never believed, raises nothing, and is not looked at for frames that are fine.
"""

from __future__ import annotations

import logging
from struct import Struct, error

from ...protocol.api_names import api_name
from ...protocol.framing import FrameError
from ..log_lines import Event, OncePerSecond

logger = logging.getLogger("minibroker")
NO_FRAME = memoryview(b"")

_HEAD = Struct(">hhih")  # api_key, api_version, correlation_id, length of client_id
_TLS_HANDSHAKE = range(0x160300, 0x160305)
_HTTP_METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"CONN", b"PATC", b"PRI ")


class Closings:
    """Tells of connections that end by our will, without letting one peer flood the log."""

    __slots__ = ("_limit",)

    def __init__(self) -> None:
        self._limit = OncePerSecond()

    def closed(
        self,
        peer: str,
        why: Exception,
        frame: memoryview,
        now_ms: int,
        protocol: str = "PLAINTEXT",
    ) -> None:
        """A connection is closed for what it sent.

        Args:
            peer: HOST:PORT.
            frame: the request that could not be served, NO_FRAME if that is not known.
            protocol: the security protocol of its listener.
        """
        left_out = self._limit.left_out(f"closed {_host(peer)}", now_ms)
        if left_out is None:
            return
        hint = size_hint(why.size, protocol) if isinstance(why, FrameError) else None
        logger.warning(
            Event(
                "connection-closed",
                peer=peer,
                why=why,
                looks_like=hint,
                **frame_facts(frame),
                left_out=left_out or None,
            )
        )

    def refused(self, peer: str, most: int, now_ms: int, bound: str) -> None:
        """A connection is one too many.

        Args:
            bound: by which bound of so many.
        """
        left_out = self._limit.left_out(f"refused {_host(peer)}", now_ms)
        if left_out is not None:
            logger.warning(
                Event(
                    "connection-refused",
                    peer=peer,
                    **{bound: most},
                    left_out=left_out or None,
                )
            )


def frame_facts(frame: memoryview) -> dict[str, object]:
    """API, version and client id of a request that was not understood, as far as they are there."""
    try:
        key, version, _, length = _HEAD.unpack_from(frame)
    except error:
        return {}
    facts: dict[str, object] = {"api": api_name(key), "api_key": key, "version": version}
    if 0 < length <= len(frame) - _HEAD.size:
        name = bytes(frame[_HEAD.size : _HEAD.size + length])
        facts["client_id"] = name.decode("utf-8", "replace")
    return facts


def size_hint(size: int, protocol: str = "PLAINTEXT") -> str | None:
    """What an impossible frame size is the beginning of; None if that is not known."""
    # 1. a client set to SSL connects to a plain listener   2. the first four bytes of its hello
    # are 22 (handshake), 3, 1 and half a length: read as a frame size, 369,295,872 and more.
    if size >> 8 in _TLS_HANDSHAKE:
        return f"a TLS hello; this listener is {protocol}: set security.protocol={protocol} there"
    if size.to_bytes(4, "big", signed=True) in _HTTP_METHODS:
        return "an HTTP request; this port speaks the Kafka protocol"
    return None


def _host(peer: str) -> str:
    return peer.rpartition(":")[0]
