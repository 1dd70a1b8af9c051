"""What the fault proxy knows of a request, and which rules it can perform.

The rules are those of the broker (broker/faults/rules.py). Rules of the instant "request" are
judged when the request arrives, those of "reply" when the broker's answer arrives: "every third"
then means every third answer given. What a scope takes in is decided once, when the request
arrives; no frame is kept until its answer.
Pure: proxy.py performs the actions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from ...broker.faults.exchanges import shown
from ...broker.faults.rules import REQUEST_INSTANTS, Delay, Disconnect, LoseReply, Rule, TearReply
from ...broker.faults.scope import Part, parts_of
from ...protocol.apis import APIS, request_type
from ...protocol.codec.compiler import decoder
from ...protocol.errors import DecodeError
from ...protocol.header import decode_request_header
from ...protocol.varint import read_uvarint

_PRODUCE = 0
_PERFORMED = (LoseReply, TearReply, Delay, Disconnect)


class Outcome(StrEnum):
    """What became of a request."""

    OPEN = "open"  # no answer so far
    CLOSED = "closed"  # its connection ended before an answer came, by whichever side
    UNANSWERED = "unanswered"  # Produce with acks=0
    ANSWERED = "answered"
    LOST = "lost"
    SWALLOWED = "swallowed"  # behind an answer lost with then="silence"
    CUT = "cut"
    TORN = "torn"


class UnreadableRequest(ValueError):
    """A rule needs the body of a request whose version this code cannot read."""


@dataclass(slots=True)
class RelayedRequest:
    """One request on its way through the proxy, and what became of it.

    Attributes:
        connection: number of the client connection, counted from 1.
        api: Kafka's name of the API, "key 99" if it is unknown here.
        version: of the API, as in the request.
        client_id: "" if the client sent none.
        about: what it asks, in short; "" where this code cannot read it.
        outcome: changes as it goes on.
    """

    connection: int
    api_key: int
    api: str
    version: int
    correlation_id: int
    client_id: str
    frame: memoryview | None = field(repr=False)  # None once the request has been forwarded
    outcome: Outcome = Outcome.OPEN
    about: str = ""
    path: ClassVar[str] = ""  # no file has a part in it
    _message: Any = field(default=None, repr=False)

    @property
    def message(self) -> Any:
        """The decoded request; only while rules are matched.

        Raises:
            UnreadableRequest: of a version (or an API) that this code cannot read.
            DecodeError: the body is malformed.
        """
        if self._message is None:
            if self.frame is None:
                raise UnreadableRequest(f"{self.api}: the request has been forwarded already")
            if not is_readable(self.api_key, self.version):
                raise UnreadableRequest(f"{self.api} v{self.version} cannot be read here")
            try:
                _, position = decode_request_header(self.frame)
                decode = decoder(request_type(self.api_key), self.version)
                self._message, _ = decode(self.frame, position)
            except ValueError as error:  # DecodeError among them, and varints that are cut off
                raise UnreadableRequest(f"{self.api} v{self.version}: {error}") from error
        return self._message

    @property
    def parts(self) -> tuple[Part, ...]:
        """The topics and partitions in the request; raises as `message` does."""
        return parts_of(self.api, self.message)

    def describe(self) -> None:
        """Say in short what a Produce asks, while its bytes are there."""
        if self.api_key == _PRODUCE and is_readable(self.api_key, self.version):
            try:
                self.about = shown(self.parts)
            except (DecodeError, UnreadableRequest) as error:
                self.about = f"malformed: {error}"

    def forget_request(self) -> None:
        """Let go of the request's bytes; what is left costs little."""
        self.frame = self._message = None


def expects_answer(relayed: RelayedRequest) -> bool:
    """False for Produce with acks=0, which is the only request without an answer.

    Works for every version, since what stands before acks has not changed but for its encoding.

    Raises:
        DecodeError: the header is malformed.
        UnreadableRequest: it ends before acks.
    """
    if relayed.api_key != _PRODUCE or relayed.frame is None:
        return True
    frame = relayed.frame
    _, position = decode_request_header(frame)
    if APIS[_PRODUCE].is_flexible(relayed.version):
        try:
            length, position = read_uvarint(frame, position, len(frame))
        except ValueError as error:
            raise UnreadableRequest(f"Produce v{relayed.version}: {error}") from error
        position += max(length - 1, 0)  # compact: the length plus one, 0 for null
    else:
        length = int.from_bytes(frame[position : position + 2], "big", signed=True)
        position += 2 + max(length, 0)
    return any(frame[position : position + 2])


def is_readable(api_key: int, version: int) -> bool:
    """Whether messages of this version can be decoded here, and name their topics."""
    api = APIS.get(api_key)
    return api is not None and api.versions[0] <= version <= api.newest_spoken


def performable(rule: Rule) -> Rule:
    """The same rule, if a proxy can perform it.

    Raises:
        ValueError: it takes a broker to do this; or it chooses fetches by topic, although an
            incremental fetch (KIP-227) does not name the topics that it reads.
    """
    if type(rule.action) not in _PERFORMED or rule.instant not in REQUEST_INSTANTS:
        name = type(rule.action).__name__
        raise ValueError(f"a proxy cannot perform {name} at {rule.instant.value!r}")
    if rule.api == "Fetch" and (rule.topic is not None or rule.partition is not None):
        raise ValueError("a proxy cannot choose fetches by topic: not every fetch names its own")
    return rule
