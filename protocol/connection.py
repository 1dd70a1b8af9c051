"""One connection, without I/O, in both roles: frames in, messages out, and the way back.

The server answers strictly in the order of the requests, whatever the order in which answers
become known: Kafka's clients match responses by position (Java's CorrelationIdMismatch, aiokafka's
FIFO). The client numbers its requests, keeps what it asked, and picks versions both sides know.
ApiVersions of an unknown version is answered here, as KIP-511 says: body v0, error 35, one entry.
A ProtocolError or DecodeError means: close the connection, answer nothing.
Tests: tests/system/answers/test_server.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping
from struct import Struct
from typing import Any

from .apis import APIS, Api, request_type, response_type
from .codec.compiler import Buffer, decoder, decoder_in_steps, encoder, encoder_in_steps
from .codec.schema import api_of
from .errors import ErrorCode
from .framing import SIZE_BYTES
from .header import (
    RequestHeader,
    decode_request_header,
    decode_response_header,
    encode_request_header,
)
from .messages.api_versions import ApiVersion, ApiVersionsResponse

API_VERSIONS = APIS[18]
_API_VERSIONS_KEY = API_VERSIONS.key

_HEAD = Struct(">ii")  # size, correlation id
_HEAD_TAGGED = Struct(">iib")  # the same and an empty tag section
_SIZE = Struct(">i")
_UNSUPPORTED = ErrorCode.UNSUPPORTED_VERSION.to_bytes(2, "big")
CORRELATION_ID_MAX = 2**31 - 1


class ProtocolError(ValueError):
    """The peer said something that has no answer: an unknown API or version, a wrong order."""


class UnsupportedApi(LookupError):
    """The two sides share no version of an API; the text names both ranges."""


class Route:
    """How requests of one (API, version) are read and answered.

    Attributes:
        handle, refusal: whoever serves it puts them here, at its first request; None until then.
        took: seconds of the newest requests, put here by who measures, and taken out by who tells.
    """

    __slots__ = ("api", "decode", "encode", "handle", "head", "refusal", "took", "version")

    def __init__(self, api: Api, version: int) -> None:
        self.api = api
        self.version = version
        self.handle: Any = None
        self.refusal: Any = None
        self.took: list[float] = []
        self.decode = decoder(request_type(api.key), version)
        self.encode = encoder(response_type(api.key), version)
        self.head = (
            _HEAD_TAGGED if api.is_flexible(version) and api.key != API_VERSIONS.key else _HEAD
        )

    def encode_steps(self, message: Any) -> Generator[int, None, list[Buffer]]:
        """What `encode` does, in steps; yields how many bytes each has made, but for records."""
        return encoder_in_steps(response_type(self.api.key), self.version)(message)

    def decode_steps(
        self, frame: memoryview, position: int
    ) -> Generator[None, None, tuple[Any, int]]:
        """What `decode` does, in steps."""
        return decoder_in_steps(request_type(self.api.key), self.version)(frame, position)


class Routes:
    """The (API, version) pairs a server answers; codecs are compiled at first use.

    Args:
        apis: what is served, by API key; advertised as it stands.
    """

    def __init__(self, apis: Mapping[int, Api]) -> None:
        self.apis = apis
        self._routes: dict[tuple[int, int], Route] = {}

    def find(self, api_key: int, version: int) -> Route:
        """The route of a request. Raises ProtocolError for what is not served."""
        route = self._routes.get((api_key, version))
        return route if route is not None else self._make(api_key, version)

    def used(self) -> list[Route]:
        """The routes of all requests so far."""
        return list(self._routes.values())

    def _make(self, api_key: int, version: int) -> Route:
        api = self.apis.get(api_key)
        if api is None:
            raise ProtocolError(f"API key {api_key} is not served here")
        first, last = api.versions
        if not first <= version <= last:
            raise ProtocolError(f"{api.name} v{version} is not served here, only v{first}-v{last}")
        route = self._routes[api_key, version] = Route(api, version)
        return route


class Request:
    """A decoded request and, once known, the bytes of its answer.

    Attributes:
        began_s: when it began to be served, if somebody measures; 0.0 until then.
    """

    __slots__ = (
        "answer",
        "began_s",
        "client_id",
        "correlation_id",
        "message",
        "route",
        "size_bytes",
    )

    def __init__(
        self,
        route: Route,
        correlation_id: int,
        client_id: str | None,
        message: Any,
        size_bytes: int = 0,
    ) -> None:
        self.route = route
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.message = message
        self.size_bytes = size_bytes
        self.answer: list[Buffer] | None = None
        self.began_s = 0.0


class Encoded:
    """A response message that has been encoded already, as `body`."""

    __slots__ = ("_message", "body")

    def __init__(self, message: Any, body: list[Buffer]) -> None:
        self._message = message
        self.body = body

    @property
    def message(self) -> Any:
        """The message."""
        return self._message


def plain(message: Any) -> Any:
    """An answer as it was before it was encoded."""
    return message.message if isinstance(message, Encoded) else message


class ServerConnection:
    """The server's side of one connection."""

    __slots__ = ("_pending", "_routes", "open_bytes", "queued_bytes", "sent_bytes")

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._pending: deque[Request] = deque()
        self.open_bytes = 0  # requests received and not yet answered, as they were sent
        self.queued_bytes = 0  # answers given and not yet taken by data_to_send
        self.sent_bytes = 0  # those that were, all of them

    @property
    def in_flight(self) -> int:
        """Requests received and not yet answered, or answered behind one that is not."""
        return len(self._pending)

    def receive(self, frame: memoryview) -> Request | None:
        """Decode one frame; None when the connection answers it itself.

        Raises:
            ProtocolError: an API or version that is not served.
            DecodeError: a header or body that does not parse.
        """
        header, position = decode_request_header(frame)
        api_key, version, correlation_id, client_id = header
        if api_key == _API_VERSIONS_KEY and self._refuses(header):
            return None
        route = self._routes.find(api_key, version)
        message, _ = route.decode(frame, position)
        size_bytes = len(frame)
        request = Request(route, correlation_id, client_id, message, size_bytes)
        self.open_bytes += size_bytes
        self._pending.append(request)
        return request

    def receive_steps(self, frame: memoryview) -> Generator[None, None, Request | None]:
        """What receive() does, in steps, for a long frame; no other may be received meanwhile."""
        header, position = decode_request_header(frame)
        if header.api_key == API_VERSIONS.key and self._refuses(header):
            return None
        route = self._routes.find(header.api_key, header.api_version)
        message, _ = yield from route.decode_steps(frame, position)
        size_bytes = len(frame)
        request = Request(route, header.correlation_id, header.client_id, message, size_bytes)
        self.open_bytes += size_bytes
        self._pending.append(request)
        return request

    def _refuses(self, header: RequestHeader) -> bool:
        """Answer an ApiVersions of an unknown version; False for one that is known."""
        first, last = API_VERSIONS.versions
        if first <= header.api_version <= last:
            return False
        refusal = _unsupported_version(self._routes, header.correlation_id)
        self.queued_bytes += sum(map(len, refusal.answer or ()))
        self._pending.append(refusal)
        return True

    def answer(self, request: Request, message: Any) -> None:
        """Give a request its response message, or that Encoded; None if it gets none (acks=0).

        Raises:
            EncodeError: the message cannot be written; the request still waits for an answer.
        """
        if message is None:
            request.answer = []
        else:
            request.answer = answer = _encoded(request, message)
            self.queued_bytes += len(answer[0]) if len(answer) == 1 else sum(map(len, answer))
        self.open_bytes -= request.size_bytes
        request.message = None

    def data_to_send(self) -> list[Buffer]:
        """Buffers ready to leave, in request order; what waits behind an open request stays."""
        pending = self._pending
        ready: list[Buffer] = []
        while pending:
            answer = pending[0].answer
            if answer is None:
                break
            ready += answer
            pending.popleft()
        if ready:
            count = len(ready[0]) if len(ready) == 1 else sum(map(len, ready))
            self.queued_bytes -= count
            self.sent_bytes += count
        return ready


def _encoded(request: Request, message: Any) -> list[Buffer]:
    route = request.route
    body = message.body if isinstance(message, Encoded) else route.encode(message)
    head = route.head
    count = len(body[0]) if len(body) == 1 else sum(map(len, body))
    size = head.size - SIZE_BYTES + count
    if head is _HEAD:
        start = head.pack(size, request.correlation_id)
    else:
        start = head.pack(size, request.correlation_id, 0)
    if len(body) == 1:
        return [start + body[0]]
    return [start, *body]


def _unsupported_version(routes: Routes, correlation_id: int) -> Request:
    first, last = API_VERSIONS.versions
    request = Request(routes.find(API_VERSIONS.key, first), correlation_id, None, None)
    entry = ApiVersion(api_key=API_VERSIONS.key, min_version=first, max_version=last)
    message = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[entry])
    request.answer = _encoded(request, message)
    return request


class ClientConnection:
    """The client's side of one connection.

    Args:
        client_id: sent with every request.
    """

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.versions: dict[int, tuple[int, int]] = {}  # what the server offers, by API key
        self._next_correlation_id = 0
        self._pending: deque[tuple[int, Api, int]] = deque()

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet answered."""
        return len(self._pending)

    def learn(self, response: ApiVersionsResponse) -> None:
        """Remember the versions a server offers."""
        self.versions = {
            entry.api_key: (entry.min_version, entry.max_version) for entry in response.api_keys
        }

    def version_for(self, api: Api) -> int:
        """The highest version both sides speak. Raises UnsupportedApi when there is none."""
        ours_first, ours_last = api.versions[0], api.newest_spoken
        if api.key not in self.versions:
            raise UnsupportedApi(
                f"{api.name} (key {api.key}): the broker offers no version of it, this client "
                f"speaks v{ours_first}-v{ours_last}"
            )
        first, last = self.versions[api.key]
        version = min(last, ours_last)
        if version < max(first, ours_first):
            raise UnsupportedApi(
                f"{api.name}: the broker offers v{first}-v{last}, this client speaks "
                f"v{ours_first}-v{ours_last}"
            )
        return version

    def send(
        self, message: Any, version: int | None = None, *, answered: bool = True
    ) -> list[Buffer]:
        """The frame that asks `message`.

        Args:
            version: of the API; by default the highest that both sides speak.
            answered: False for Produce with acks=0, which gets no response.
        """
        api = api_of(type(message))
        if version is None:
            version = self.version_for(api)
        correlation_id = self._next_correlation_id
        self._next_correlation_id = (correlation_id + 1) & CORRELATION_ID_MAX
        body = encoder(type(message), version)(message)
        head = encode_request_header(
            RequestHeader(api.key, version, correlation_id, self.client_id)
        )
        if answered:
            self._pending.append((correlation_id, api, version))
        size = len(head) + sum(map(len, body))
        return [_SIZE.pack(size) + head, *body]

    def receive(self, frame: memoryview) -> Any:
        """Decode the answer to the oldest open request.

        Raises:
            ProtocolError: an answer nobody asked for, or out of order.
            DecodeError: bytes that are no answer of the expected version.
        """
        if not self._pending:
            raise ProtocolError("the broker sent a response to no request")
        expected, api, version = self._pending.popleft()
        correlation_id, position = decode_response_header(frame, api.key, version)
        if correlation_id != expected:
            raise ProtocolError(
                f"{api.name} v{version}: response {correlation_id} came where {expected} was due"
            )
        if api.key == API_VERSIONS.key and bytes(frame[position : position + 2]) == _UNSUPPORTED:
            version = 0  # KIP-511: the refusal of a version is always encoded as v0
        return decoder(response_type(api.key), version)(frame, position)[0]
