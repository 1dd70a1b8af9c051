"""EDGE: the faults of a broker in a child process: rules armed there, counted there.

Counts are asked for whenever they are wanted; of a child that has ended they are what it left.
Tests: tests/system/testing/test_child_broker.py
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..broker.faults.forms import form_of
from .child_wire import Call, ChildBrokerError
from .fault_control import WAIT_S, Fault, FaultControl

if TYPE_CHECKING:
    from ..broker.faults.rules import Rule

GRACE_S = 5.0  # beyond the bound of a wait in the child


class Child(Protocol):
    """What faults need of the broker whose they are; see ChildBroker."""

    @property
    def is_running(self) -> bool:
        """Whether the child lives."""

    def ensure_running(self) -> None:
        """Start it unless it runs."""

    def call(self, call: Call, timeout_s: float = ...) -> Any:
        """Ask the child."""

    async def call_async(self, call: Call, timeout_s: float = ...) -> Any:
        """Ask the child without blocking the loop."""

    def tell(self, call: Call) -> None:
        """Ask the child something that does not matter once it is gone."""

    def last_words(self) -> Mapping[str, Any]:
        """What a child that has ended has left."""

    def lifeline(self) -> socket.socket | None:
        """A copy of what hangs up when the child ends; None if it does not run."""


class RemoteFault(Fault):
    """A rule at work in a child process."""

    def __init__(self, rule: Rule, number: int, faults: RemoteFaults, child: Child) -> None:
        super().__init__(rule)
        self.number = number
        self.is_released = False
        self.counts = (0, 0)  # matched and fired, as last heard
        self._faults = faults
        self._child = child

    @property
    def matched(self) -> int:
        self._faults.refresh()
        return self.counts[0]

    @property
    def fired(self) -> int:
        self._faults.refresh()
        return self.counts[1]

    def release(self) -> None:
        if self.is_released:
            return  # a child started since then has never heard of it
        self.is_released = True
        self._child.tell({"do": "disarm", "id": self.number})

    def wait_fired(self, times: int = 1, *, timeout_s: float = WAIT_S) -> None:
        """Return once it has fired so often in all. Raises TimeoutError."""
        self._child.call(self._until(times, timeout_s), timeout_s + GRACE_S)

    def wait_reached(self, *, timeout_s: float = WAIT_S) -> None:
        """Return once something waits at this barrier. Raises TimeoutError."""
        self.wait_fired(timeout_s=timeout_s)

    async def until_fired(self, times: int = 1, *, timeout_s: float = WAIT_S) -> None:
        await self._child.call_async(self._until(times, timeout_s), timeout_s + GRACE_S)

    def _until(self, times: int, timeout_s: float) -> Call:
        return {"do": "until fired", "id": self.number, "times": times, "timeout_s": timeout_s}


class RemoteFaults(FaultControl[RemoteFault]):
    """The faults of a broker in a child process."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._armed: list[RemoteFault] = []
        self._count = 0

    @property
    def armed(self) -> Sequence[RemoteFault]:
        return tuple(self._armed)

    def arm(self, rule: Rule) -> RemoteFault:
        self._count += 1
        fault = RemoteFault(rule, self._count, self, self._child)
        order = _order(fault)
        if self._child.is_running:
            self._child.call({"do": "arm", **order})
        self._armed.append(fault)
        return fault

    def clear(self) -> None:
        self._armed.clear()
        self._child.tell({"do": "clear"})

    def _restart_after(self, fault: RemoteFault) -> None:
        """Let a thread start the broker again whenever this fault has ended it."""
        threading.Thread(target=self._revive, args=(fault,), daemon=True).start()

    def _revive(self, fault: RemoteFault) -> None:
        fired = 0
        while not fault.is_released and fault in self._armed:
            ended = self._child.lifeline()
            if ended is None:
                return  # somebody else has ended it, and will start it
            with ended:
                _await_hang_up(ended)
            self.refresh()
            if fault.counts[1] == fired:
                return
            fired = fault.counts[1]
            self._child.ensure_running()

    def orders(self) -> list[Call]:
        """What a new child is to be armed with."""
        return [_order(fault) for fault in self._armed if not fault.is_released]

    def refresh(self) -> None:
        """Ask how often each has matched and fired, or read what a dead child has left."""
        counts: Mapping[str, Sequence[int]] | None = None
        if self._child.is_running:
            with contextlib.suppress(ChildBrokerError):  # it has just died
                counts = self._child.call({"do": "counts"})
        if counts is None:
            counts = self._child.last_words().get("counts", {})
        for fault in self._armed:
            if str(fault.number) in counts:
                matched, fired = counts[str(fault.number)]
                fault.counts = (matched, fired)


def _order(fault: RemoteFault) -> Call:
    matched, fired = fault.counts
    form = form_of(fault.rule)
    return {"id": fault.number, "form": form, "matched": matched, "fired": fired}


def _await_hang_up(lifeline: socket.socket) -> None:
    """Return when the other side is gone; what it says meanwhile is left to others."""
    waiting = select.poll()
    waiting.register(lifeline, select.POLLHUP)
    while not waiting.poll():
        pass
