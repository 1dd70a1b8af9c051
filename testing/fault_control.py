"""EDGE: arming faults in a broker under test: one method an action, one handle a rule.

    lost = broker.faults.lose_reply(api="Produce", topic="orders", nth=2)
    held = broker.faults.hold(at="appended", topic="orders")
    ...
    assert lost.fired == 1

Scopes and choices are those of broker.faults.Rule. Here is what the broker in the test's own loop
and the one in a child process have in common; how a rule reaches the broker is theirs.
Tests: tests/system/testing/test_faults.py
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack

from ..broker.config.properties import nearest
from ..broker.faults.forms import error_called, rule_text, usual_times
from ..broker.faults.rules import (
    Action,
    AnswerError,
    Crash,
    Delay,
    Disconnect,
    DiskError,
    DiskFull,
    HandleTwice,
    Hold,
    Instant,
    LoseReply,
    Rule,
    ShortenWrite,
    TearReply,
)
from ..protocol.errors import ErrorCode

WAIT_S = 30.0
At = (
    Instant
    | Literal["accept", "request", "append", "appended", "flushed", "reply"]
    | Literal["txn.prepared", "txn.marker", "txn.completed"]
    | Literal["write", "flush", "read", "create", "replace", "rename", "remove", "truncate"]
)


class Scope(TypedDict, total=False):
    """What a rule takes in and which of it; see broker.faults.Rule."""

    topic: str
    partition: int
    client_id: str
    producer_id: int
    key: bytes
    connection: int
    path: str
    where: Callable[[Any], bool]
    nth: int
    every: int
    probability: float
    seed: int
    times: int | None


class Fault(ABC):
    """A rule at work in a broker."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    @property
    @abstractmethod
    def matched(self) -> int:
        """How often something came by that the scope takes in."""

    @property
    @abstractmethod
    def fired(self) -> int:
        """How often the action was done."""

    @abstractmethod
    def release(self) -> None:
        """Take the rule out; what waits at it goes on."""

    @abstractmethod
    async def until_fired(self, times: int = 1, *, timeout_s: float = WAIT_S) -> None:
        """Return once it has fired so often in all. Raises TimeoutError."""

    async def reached(self, *, timeout_s: float = WAIT_S) -> None:
        """Return once something waits at this barrier. Raises TimeoutError."""
        await self.until_fired(timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"<{rule_text(self.rule)}>"

    def __str__(self) -> str:
        return f"{rule_text(self.rule)} fired {self.fired} of {self.matched} matches"


F = TypeVar("F", bound=Fault)


class FaultControl(ABC, Generic[F]):
    """The faults of one broker; every method takes the fields of Scope, too.

    What ends an exchange, a wait or the broker (lose_reply, hold, crash) acts on the first match
    only, unless `times`, `every` or `probability` say otherwise; times=None is without end. All
    others act on every match.
    """

    @property
    @abstractmethod
    def armed(self) -> Sequence[F]:
        """What has been armed since the last `clear`, released or not."""

    @abstractmethod
    def arm(self, rule: Rule) -> F:
        """Arm a rule; it applies to what begins from now on."""

    @abstractmethod
    def _restart_after(self, fault: F) -> None:
        """Start the broker again whenever this fault has ended it."""

    @abstractmethod
    def clear(self) -> None:
        """Take all rules out and forget them; what waits goes on."""

    def assert_all_fired(self) -> None:
        """Raises AssertionError if a rule that was armed has never done anything."""
        __tracebackhide__ = True
        idle = [str(fault) for fault in self.armed if not fault.fired]
        assert not idle, "faults that never fired: " + "; ".join(idle)

    def lose_reply(
        self,
        api: str | None = None,
        *,
        then: Literal["close", "silence"] = "close",
        **scope: Unpack[Scope],
    ) -> F:
        """Drop the answer, once, after everything has been done, and close the connection.

        Args:
            then: "silence" leaves it open and swallows every later answer on it.
        """
        return self._arm(LoseReply(then), None, api, scope)

    def tear_reply(
        self, api: str | None = None, *, bytes_sent: int = 6, **scope: Unpack[Scope]
    ) -> F:
        """Send the first bytes of the answer and close the connection."""
        return self._arm(TearReply(bytes_sent), None, api, scope)

    def delay(
        self, api: str | None = None, *, delay_ms: int, at: At = "reply", **scope: Unpack[Scope]
    ) -> F:
        """Go on so much later."""
        return self._arm(Delay(delay_ms), at, api, scope)

    def error(
        self,
        api: str | None,
        code: ErrorCode | str | int,
        *,
        at: At = "request",
        **scope: Unpack[Scope],
    ) -> F:
        """Answer with an error: instead of the work, or at "reply" after it.

        Args:
            code: its name or number in Kafka, such as "NOT_LEADER_OR_FOLLOWER" or 6.
        """
        return self._arm(AnswerError(error_called(code)), at, api, scope)

    def disconnect(
        self, api: str | None = None, *, at: At = "request", **scope: Unpack[Scope]
    ) -> F:
        """Close the connection instead of going on."""
        return self._arm(Disconnect(), at, api, scope)

    def handle_twice(self, api: str | None = None, **scope: Unpack[Scope]) -> F:
        """Handle the request twice and answer once, as if the network had doubled it."""
        return self._arm(HandleTwice(), None, api, scope)

    def hold(self, api: str | None = None, *, at: At, **scope: Unpack[Scope]) -> F:
        """Wait at this instant until `release`: the first match, unless `times` says more."""
        return self._arm(Hold(), at, api, scope)

    def crash(
        self,
        api: str | None = None,
        *,
        at: At,
        side: Literal["before", "after"] = "before",
        then: Literal["stop", "restart"] = "stop",
        **scope: Unpack[Scope],
    ) -> F:
        """End the broker at this instant, once; side="after" of an operation on storage.

        Args:
            then: "restart" starts it again at once: same port, same data, same faults.
        """
        fault = self._arm(Crash(side), at, api, scope)
        if then == "restart":
            self._restart_after(fault)
        return fault

    def disk_full(self, *, after_bytes: int = 0, **scope: Unpack[Scope]) -> F:
        """Refuse writes that do not fit into `after_bytes` more bytes, with ENOSPC."""
        return self._arm(DiskFull(after_bytes), None, None, scope)

    def disk_error(self, *, at: At, **scope: Unpack[Scope]) -> F:
        """Let an operation on storage fail with EIO."""
        return self._arm(DiskError(), at, None, scope)

    def shorten_write(
        self,
        bytes_written: int,
        *,
        then: Literal["fail", "crash"] = "fail",
        **scope: Unpack[Scope],
    ) -> F:
        """Write the first bytes only; then fail with ENOSPC, or crash."""
        return self._arm(ShortenWrite(bytes_written, then), None, None, scope)

    def _arm(self, action: Action, at: At | None, api: str | None, scope: Scope) -> F:
        for name in scope:
            if name not in Scope.__annotations__:
                raise TypeError(
                    f"no scope is called {name!r}{nearest(name, Scope.__annotations__)}"
                )
        instant = None if at is None else _instant(at)
        chosen = usual_times(action, scope)
        return self.arm(Rule(action=action, at=instant, api=api, **chosen))


def _instant(at: str) -> Instant:
    if at not in list(Instant):
        raise ValueError(f"at={at!r}; the instants are {', '.join(Instant)}")
    return Instant(at)
