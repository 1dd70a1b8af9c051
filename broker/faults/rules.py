"""Fault rules: at which instant, for what, which action, how often. Rules in, verdicts out.

    accept -> request -> append -> appended -> flushed -> reply      the way of one request
    txn.prepared -> txn.marker -> txn.completed                      the end of a transaction
    write, flush, read, create, replace, rename, remove, truncate    the data directory

A Rule is a value: an instant, a scope, a choice among what the scope matches (the n-th, every n-th,
a probability, at most so many times) and one action. An ArmedRule counts for one Rule. Which
actions make sense at which instant stands in ACTS_AT; everything else is refused.
Pure: detour.py and storage.py perform the actions in a broker, and the proxy of the
testing package performs those of `request` and `reply` in front of any Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Literal, Protocol

from ...protocol.apis import APIS
from ...protocol.errors import ErrorCode
from ..config.properties import nearest
from .scope import TOPIC_FIELDS


class Instant(StrEnum):
    """Where faults act. Those of storage are operations on the data directory."""

    ACCEPT = "accept"  # a client has connected
    REQUEST = "request"  # decoded, not yet looked at
    APPEND = "append"  # Produce: before the first write of the request, once for each partition
    APPENDED = "appended"  # a partition's batch is in the log; not for what was not stored
    FLUSHED = "flushed"  # the same batch is as durable as an acknowledgement promises
    REPLY = "reply"  # before the answer's bytes leave, in the order in which answers leave
    WRITE = "write"
    FLUSH = "flush"  # one file, or all (path "")
    READ = "read"
    CREATE = "create"  # a file or a directory
    REPLACE = "replace"  # a small file at once; also counts as a write
    RENAME = "rename"
    REMOVE = "remove"
    TRUNCATE = "truncate"
    TXN_PREPARED = "txn.prepared"  # the end of a transaction is decided, durably
    TXN_MARKER = "txn.marker"  # before its marker is appended, once for each partition
    TXN_COMPLETED = "txn.completed"  # all of it is durable, its id is about to be served again


REQUEST_INSTANTS = (Instant.REQUEST, Instant.REPLY)
BATCH_INSTANTS = (Instant.APPEND, Instant.APPENDED, Instant.FLUSHED)
PATH_INSTANTS = (Instant.ACCEPT, *REQUEST_INSTANTS, *BATCH_INSTANTS)
TXN_INSTANTS = (Instant.TXN_PREPARED, Instant.TXN_MARKER, Instant.TXN_COMPLETED)
STORAGE_INSTANTS = tuple(each for each in Instant if each not in (*PATH_INSTANTS, *TXN_INSTANTS))


@dataclass(frozen=True, slots=True)
class LoseReply:
    """Drop the answer after the broker has given it.

    Attributes:
        then: "close" closes the connection; "silence" leaves it open, goes on serving requests
            and swallows every later answer. Nothing else is possible: clients match answers in
            order, so no answer may follow a lost one.
    """

    then: Literal["close", "silence"] = "close"


@dataclass(frozen=True, slots=True)
class TearReply:
    """Deliver the first bytes of the answer, then close the connection.

    Attributes:
        bytes_sent: 0 or more, of the whole frame with its four size bytes; at least the last byte
            of the frame is always held back.
    """

    bytes_sent: int = 6


@dataclass(frozen=True, slots=True)
class Delay:
    """Go on `delay_ms` later; what follows on the connection waits, too."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class AnswerError:
    """Answer with this error: at `request` and `append` instead of the work, at `reply` after it.

    At `append` only the partition is refused that the rule matches.
    """

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection instead of going on."""


@dataclass(frozen=True, slots=True)
class HandleTwice:
    """Handle the request a second time; the second answer is dropped."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until released: a barrier instead of a sleep."""


@dataclass(frozen=True, slots=True)
class DiskFull:
    """From the moment when `after_bytes` more bytes are written, every write fails with ENOSPC."""

    after_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DiskError:
    """The operation fails with EIO."""


@dataclass(frozen=True, slots=True)
class ShortenWrite:
    """Write the first bytes only, then fail with ENOSPC, or crash and leave a torn end.

    Attributes:
        bytes_written: of this write; at least its last byte is always left out.
    """

    bytes_written: int
    then: Literal["fail", "crash"] = "fail"


@dataclass(frozen=True, slots=True)
class Crash:
    """End the broker here: SIGKILL to itself, or what stands for it in a simulated world.

    Attributes:
        side: of the operation; "after" only at the instants of storage.
    """

    side: Literal["before", "after"] = "before"


Action = (
    LoseReply
    | TearReply
    | Delay
    | AnswerError
    | Disconnect
    | HandleTwice
    | Hold
    | DiskFull
    | DiskError
    | ShortenWrite
    | Crash
)

_FIRST_INSTANTS = (Instant.REQUEST, Instant.APPEND)
USUALLY_AT: dict[type[Action], Instant] = {
    LoseReply: Instant.REPLY,
    TearReply: Instant.REPLY,
    AnswerError: Instant.REQUEST,
    Disconnect: Instant.REQUEST,
    HandleTwice: Instant.REQUEST,
    DiskFull: Instant.WRITE,
    ShortenWrite: Instant.WRITE,
}
ACTS_AT: dict[type[Action], tuple[Instant, ...]] = {
    LoseReply: (Instant.REPLY,),
    TearReply: (Instant.REPLY,),
    Delay: (*PATH_INSTANTS, *TXN_INSTANTS, Instant.WRITE, Instant.FLUSH, Instant.READ),
    AnswerError: (*_FIRST_INSTANTS, Instant.REPLY),
    Disconnect: (Instant.ACCEPT, Instant.REQUEST, *BATCH_INSTANTS),
    HandleTwice: (Instant.REQUEST,),
    Hold: (*PATH_INSTANTS, *TXN_INSTANTS),
    DiskFull: (Instant.WRITE,),
    DiskError: STORAGE_INSTANTS,
    ShortenWrite: (Instant.WRITE,),
    Crash: tuple(Instant),
}


class About(Protocol):
    """A topic or partition, as far as scopes ask about it; scope.Part for those of requests."""

    @property
    def topic(self) -> str: ...

    @property
    def partition(self) -> int | None: ...

    @property
    def producer_id(self) -> int | None: ...

    @property
    def record_keys(self) -> frozenset[bytes | None]: ...


class Occasion(Protocol):
    """Something at an instant, as far as scopes ask about it."""

    @property
    def api(self) -> str:
        """Kafka's name of the API; "" where there is no request."""

    @property
    def client_id(self) -> str:
        """As the client sent it."""

    @property
    def connection(self) -> int:
        """The number of the connection, counted from 1."""

    @property
    def parts(self) -> Sequence[About]:
        """The topics and partitions it is about."""

    @property
    def path(self) -> str:
        """Of a file, relative to the data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Do `action` at an instant to some of what passes there.

    Attributes:
        at: the instant; None takes the usual one of the action (USUALLY_AT), if there is one.
        api: Kafka's API name, such as "Produce"; None for every API.
        topic: only what names this topic; at `request` and `reply` needs an api of TOPIC_FIELDS.
        partition, producer_id, key: only what is about it; a key is that of one of the records.
        client_id, connection: only requests of this client, or of the n-th connection.
        path: of a file in the data directory, a pattern such as "*.log"; for storage only.
        where: only what this is true for; it is given the Occasion.
        nth: of all matches only this one, counted from 1.
        every: of all matches every n-th.
        probability: of all matches about this share, drawn from `seed`: the same each time.
        times: at most so often.

    Raises:
        ValueError: it cannot mean anything; the text says why.
    """

    action: Action
    at: Instant | None = None
    api: str | None = None
    topic: str | None = None
    partition: int | None = None
    client_id: str | None = None
    producer_id: int | None = None
    key: bytes | None = None
    connection: int | None = None
    path: str | None = None
    where: Callable[[Any], bool] | None = None
    nth: int | None = None
    every: int = 1
    probability: float | None = None
    seed: int = 0
    times: int | None = None

    def __post_init__(self) -> None:
        if self.at is None and type(self.action) not in USUALLY_AT:
            raise ValueError(f"say at which instant to do {type(self.action).__name__}")
        for complaint in (*_scope_complaints(self), *_choice_complaints(self)):
            raise ValueError(complaint)

    @property
    def instant(self) -> Instant:
        """Where it acts."""
        return USUALLY_AT[type(self.action)] if self.at is None else self.at

    @property
    def must_read(self) -> frozenset[int]:
        """Keys of the APIs whose requests this rule may look into."""
        parts = (self.topic, self.partition, self.producer_id, self.key, self.where)
        if self.api is None or all(each is None for each in parts):
            return frozenset()
        return frozenset(key for key, api in APIS.items() if api.name == self.api)

    def covers(self, occasion: Occasion) -> bool:
        """Whether the scope takes this in."""
        if self.api is not None and self.api != occasion.api:
            return False
        if self.client_id is not None and self.client_id != occasion.client_id:
            return False
        if self.connection is not None and self.connection != occasion.connection:
            return False
        if self.path is not None and not fnmatchcase(occasion.path, self.path):
            return False
        about = (self.topic, self.partition, self.producer_id, self.key)
        if any(each is not None for each in about) and not any(map(self._is_about, occasion.parts)):
            return False
        return self.where is None or self.where(occasion)

    def _is_about(self, part: About) -> bool:
        return (
            self.topic in (None, part.topic)
            and self.partition in (None, part.partition)
            and self.producer_id in (None, part.producer_id)
            and (self.key is None or self.key in part.record_keys)
        )


@dataclass(slots=True, eq=False)
class ArmedRule:
    """A rule at work; equal rules count apart.

    Attributes:
        number: of this rule among all that were armed here, from 1.
        matched: how often something came by that the scope takes in.
        fired: how often the action was done.
        held: how many wait at this moment (Hold).
        on_fired: called when it has fired, before its action.
    """

    rule: Rule
    number: int = 0
    matched: int = 0
    fired: int = 0
    held: int = 0
    is_armed: bool = True
    bytes_written: int = 0
    on_fired: Callable[[], None] | None = None
    _random: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = Random(self.rule.seed)

    def strikes(self) -> bool:
        """Count one more match; True if the action is due now."""
        rule = self.rule
        self.matched += 1
        if rule.times is not None and self.fired >= rule.times:
            return False
        if rule.nth is not None:
            due = self.matched == rule.nth
        elif rule.probability is not None:
            due = self._random.random() < rule.probability
        else:
            due = self.matched % rule.every == 0
        if due:
            self.fired += 1
            if self.on_fired is not None:
                self.on_fired()
        return due


def due(instant: Instant, covering: Iterable[ArmedRule]) -> Iterator[ArmedRule]:
    """Which of the rules whose scope takes this in fire at this instant, one after the other.

    A rule counts when its turn comes: whoever stops early leaves the rest uncounted.
    """
    for armed in covering:
        if armed.rule.instant is instant and armed.is_armed and armed.strikes():
            yield armed


class Faults:
    """The armed rules of one broker, in the order in which they are tried.

    Attributes:
        on_disarmed: called with each rule that is taken out; who waits at it goes on.
    """

    def __init__(self) -> None:
        self._count = 0
        self.rules: tuple[ArmedRule, ...] = ()
        self.storage_rules: tuple[ArmedRule, ...] = ()
        self.on_disarmed: Callable[[ArmedRule], None] = _nobody_asks

    def arm(self, rule: Rule) -> ArmedRule:
        """Add a rule behind the others; it sees what begins from now on."""
        self._count += 1
        armed = ArmedRule(rule, self._count)
        self._keep((*self.rules, armed))
        return armed

    def disarm(self, armed: ArmedRule) -> None:
        """Take a rule out, if it is in; what it holds goes on."""
        armed.is_armed = False
        self._keep(tuple(each for each in self.rules if each is not armed))
        self.on_disarmed(armed)

    def clear(self) -> None:
        """Take all rules out."""
        for armed in self.rules:
            self.disarm(armed)

    def _keep(self, rules: tuple[ArmedRule, ...]) -> None:
        self.rules = rules
        self.storage_rules = tuple(each for each in rules if each.rule.instant in STORAGE_INSTANTS)


def _nobody_asks(armed: ArmedRule) -> None:
    """What happens to a rule when nobody wants to know."""


def _scope_complaints(rule: Rule) -> Iterator[str]:
    at, action = rule.instant, type(rule.action)
    if at not in ACTS_AT[action]:
        where = ", ".join(ACTS_AT[action])
        yield f"{action.__name__} makes no sense at {at.value!r}; it acts at: {where}"
    if (
        isinstance(rule.action, Crash)
        and rule.action.side == "after"
        and at not in STORAGE_INSTANTS
    ):
        yield f"a crash after {at.value!r} is none of the instants; take the next one"
    names = [api.name for api in APIS.values()]
    if rule.api is not None and rule.api not in names:
        hint = nearest(rule.api, names) or f"; known: {', '.join(names)}"
        yield f"no API is called {rule.api!r}{hint}"
    if rule.path is not None and at not in STORAGE_INSTANTS:
        yield f"path={rule.path!r}: files have no part in {at.value!r}"
    if rule.connection is not None and at in (*TXN_INSTANTS, *STORAGE_INSTANTS):
        yield f"connection={rule.connection}: no connection has a part in {at.value!r}"
    for name in ("api", "client_id", "topic", "partition", "producer_id", "key"):
        is_of_request = name in ("api", "client_id", "key") or at not in TXN_INSTANTS
        without = (Instant.ACCEPT, *TXN_INSTANTS, *STORAGE_INSTANTS)
        if getattr(rule, name) is not None and is_of_request and at in without:
            yield f"{name}={getattr(rule, name)!r}: no request has a part in {at.value!r}"
    if at in BATCH_INSTANTS and rule.api not in (None, "Produce"):
        yield f"api={rule.api!r}: only Produce comes to {at.value!r}"
    if at in REQUEST_INSTANTS:
        if (rule.topic is not None or rule.partition is not None) and rule.api not in TOPIC_FIELDS:
            yield f"a topic can be chosen for {', '.join(TOPIC_FIELDS)} only"
        if (rule.producer_id is not None or rule.key is not None) and rule.api != "Produce":
            yield "a producer id or a key can be chosen for Produce only"


def _choice_complaints(rule: Rule) -> Iterator[str]:
    for name in ("nth", "every", "times", "connection"):
        count = getattr(rule, name)
        if count is not None and count < 1:
            yield f"{name}={count}: counts start at 1"
    given = [rule.nth is not None, rule.every != 1, rule.probability is not None]
    if sum(given) > 1:
        yield "give one of nth, every and probability, not both"
    if rule.probability is not None and not 0 <= rule.probability <= 1:
        yield f"probability={rule.probability}: it lies between 0 and 1"
    match rule.action:
        case Delay(count) | TearReply(count) | DiskFull(count) | ShortenWrite(count):
            if count < 0:
                yield f"{count} in {rule.action}: it is 0 or more"
        case AnswerError(ErrorCode.NONE):
            yield "NONE is no error"
