"""Rules of the fault proxy: which requests they choose, what they do, how often they did it.

A Rule is a value: a scope (API, topic, a predicate), a choice among what the scope matches (the
n-th, every n-th, at most so many times) and one action. An ArmedRule counts for one Rule.
Actions at the instant "request" are judged when the request arrives, those at the instant "reply"
when the broker's answer arrives: "every third" then means every third answer given.
What matches is decided once, when the request arrives; no frame is kept until its answer.
Pure: proxy.py performs the actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from ..protocol import messages
from ..protocol.compiler import decoder
from ..protocol.header import decode_request_header
from ..protocol.varint import read_uvarint

_PRODUCE = 0
_KEYS = {api.name: key for key, api in messages.APIS.items()}

# Where requests name their topics: (field of the request, field of its entries). Fetch is left
# out on purpose: an incremental fetch (KIP-227) does not name the topics that it reads.
TOPIC_FIELDS = {
    "Produce": ("topic_data", "name"),
    "ListOffsets": ("topics", "name"),
    "Metadata": ("topics", "name"),
}


@dataclass(frozen=True, slots=True)
class LoseReply:
    """Drop the answer after the broker has given it.

    Attributes:
        then: "close" closes the connection; "silence" leaves it open, goes on forwarding requests
            and swallows every later answer. Nothing else is possible: clients match answers in
            order, so no answer may follow a lost one.
    """

    then: Literal["close", "silence"] = "close"


@dataclass(frozen=True, slots=True)
class CutRequest:
    """Close the connection instead of forwarding the request: the broker never sees it."""


@dataclass(frozen=True, slots=True)
class TearReply:
    """Deliver the first bytes of the answer, then close the connection.

    Attributes:
        bytes_sent: 0 or more, of the whole frame with its four size bytes; at least the last byte
            of the frame is always held back.
    """

    bytes_sent: int = 6


@dataclass(frozen=True, slots=True)
class DelayRequest:
    """Forward the request, and all that follow it on the connection, `delay_ms` later."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class DelayReply:
    """Deliver the answer, and all that follow it on the connection, `delay_ms` later."""

    delay_ms: int


RequestAction = CutRequest | DelayRequest
ReplyAction = LoseReply | TearReply | DelayReply


class Outcome(StrEnum):
    """What became of a request."""

    OPEN = "open"  # forwarded; no answer so far, or none because the connection ended
    UNANSWERED = "unanswered"  # Produce with acks=0
    ANSWERED = "answered"
    LOST = "lost"
    SWALLOWED = "swallowed"  # behind an answer lost with then="silence"
    CUT = "cut"
    TORN = "torn"


class UnreadableRequest(ValueError):
    """A rule needs the body of a request whose version this code cannot read."""


@dataclass(slots=True)
class Exchange:
    """One request on its way through the proxy, and what became of it.

    Attributes:
        connection: number of the client connection, counted from 1.
        api: Kafka's name of the API, "key 99" if it is unknown here.
        version: of the API, as in the request.
        client_id: "" if the client sent none.
        outcome: changes as the exchange goes on.
    """

    connection: int
    api_key: int
    api: str
    version: int
    correlation_id: int
    client_id: str
    frame: memoryview | None = field(repr=False)  # None once the request has been forwarded
    outcome: Outcome = Outcome.OPEN
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
            _, position = decode_request_header(self.frame)
            decode = decoder(messages.request_type(self.api_key), self.version)
            self._message, _ = decode(self.frame, position)
        return self._message

    @property
    def topics(self) -> frozenset[str]:
        """Names of the topics in the request; raises as `message` does."""
        if self.api not in TOPIC_FIELDS:
            return frozenset()
        topics, name = TOPIC_FIELDS[self.api]
        return frozenset(getattr(entry, name) for entry in getattr(self.message, topics) or ())

    def forget_request(self) -> None:
        """Let go of the request's bytes; what is left costs little."""
        self.frame = self._message = None


def expects_answer(exchange: Exchange) -> bool:
    """False for Produce with acks=0, which is the only request without an answer.

    Works for every version, since what stands before acks has not changed but for its encoding.

    Raises:
        DecodeError: the header is malformed.
    """
    if exchange.api_key != _PRODUCE or exchange.frame is None:
        return True
    frame = exchange.frame
    _, position = decode_request_header(frame)
    if messages.APIS[_PRODUCE].is_flexible(exchange.version):
        length, position = read_uvarint(frame, position, len(frame))
        position += max(length - 1, 0)  # compact: the length plus one, 0 for null
    else:
        length = int.from_bytes(frame[position : position + 2], "big", signed=True)
        position += 2 + max(length, 0)
    return any(frame[position : position + 2])


def is_readable(api_key: int, version: int) -> bool:
    """Whether messages of this version can be decoded here."""
    api = messages.APIS.get(api_key)
    return api is not None and api.versions[0] <= version <= api.versions[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Do `action` to some requests, or to their answers.

    Attributes:
        api: Kafka's API name, such as "Produce"; None for every API.
        topic: only requests that name this topic; needs an api of TOPIC_FIELDS.
        where: only requests for which this is true.
        nth: of all matches only this one, counted from 1.
        every: of all matches every n-th.
        times: at most so often.

    Raises:
        ValueError: an unknown API name, a count below 1, nth together with every.
    """

    action: RequestAction | ReplyAction
    api: str | None = None
    topic: str | None = None
    where: Callable[[Exchange], bool] | None = None
    nth: int | None = None
    every: int = 1
    times: int | None = None

    def __post_init__(self) -> None:
        if self.api is not None and self.api not in _KEYS:
            raise ValueError(f"no API is called {self.api!r}; known: {', '.join(_KEYS)}")
        if self.topic is not None and self.api not in TOPIC_FIELDS:
            raise ValueError(f"a topic can be chosen for {', '.join(TOPIC_FIELDS)} only")
        for name, count in (("nth", self.nth), ("every", self.every), ("times", self.times)):
            if count is not None and count < 1:
                raise ValueError(f"{name}={count}: counts start at 1")
        if self.nth is not None and self.every != 1:
            raise ValueError("give nth or every, not both")

    @property
    def must_read(self) -> frozenset[int]:
        """Keys of the APIs whose requests this rule may look into."""
        looks = self.topic is not None or self.where is not None
        return frozenset({_KEYS[self.api]}) if looks and self.api is not None else frozenset()

    def covers(self, exchange: Exchange) -> bool:
        """Whether the scope takes in this request."""
        if self.api is not None and self.api != exchange.api:
            return False
        if self.topic is not None and self.topic not in exchange.topics:
            return False
        return self.where is None or self.where(exchange)


@dataclass(slots=True, eq=False)
class ArmedRule:
    """A rule at work; equal rules count apart.

    Attributes:
        matched: how many requests or answers came by that the scope takes in.
        fired: how often the action was done.
    """

    rule: Rule
    matched: int = 0
    fired: int = 0

    def strikes(self) -> bool:
        """Count one more match; True if the action is due now."""
        rule = self.rule
        self.matched += 1
        if rule.times is not None and self.fired >= rule.times:
            return False
        due = self.matched == rule.nth if rule.nth else self.matched % rule.every == 0
        self.fired += due
        return due
