"""Handlers behind their rules: nothing runs, and nothing is told, before the rules were asked.

A module without ACCESS is not served where there is an authorizer: the broker does not start. Where
there is none, none of this is on the way of a request.
    1. the rules take out of a request what is refused, or refuse it all
    2. the handler answers the rest   3. the rules hide what may not be seen
    4. what was refused is put behind the answer
Read next: access.py, authorizer.py.
Tests: tests/property/test_rights.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from types import GeneratorType
from typing import Any, Protocol

from ....protocol.connection import Request, plain
from ...limits import LONG_FRAME_BYTES
from ...session import CloseConnection, Session
from ...waiting.long_work import Steps, finished
from ...waiting.promise import Failure, Promise, then
from .access import (
    Access,
    Admitting,
    Gate,
    Part,
    Refusal,
    Rule,
    Topics,
    admitted,
    with_refused,
)
from .audit import Audit
from .authorizer import Asked, Authorizer, Who

ALLOWED = "allowed"  # among a session's notes
Handle = Callable[[Any, Request, Session], Any]


class Handlers(Protocol):
    """What a module of an API has."""

    ACCESS: Access
    handle: Handle
    refusal: Refusal


class Guard:
    """Stands before every handler."""

    def __init__(self, authorizer: Authorizer, topics: Topics, audit: Audit) -> None:
        self._authorizer = authorizer
        self.acls = authorizer.acls
        self.topics = topics
        self._audit = audit

    def guarded(self, module: Handlers) -> Handle:
        """The handler of a module behind its rules. Raises AttributeError: it declares none."""
        return _Guarded(self, module)

    def allowed(self, session: Session) -> set[Asked]:
        """What is known to be allowed to whoever is at the other end."""
        allowed = self._authorizer.allowed(Who(session.principal, session.client_address))
        session.notes[ALLOWED] = self.acls.generation, allowed
        return allowed

    def gate(self, request: Request, session: Session) -> Gate:
        """What the sender of a request may."""
        who = Who(session.principal, session.client_address)
        version = request.route.version
        return Gate(self._authorizer, who, self.topics, version, self._audit.denied)


class _Guarded:
    """One handler behind its rules."""

    def __init__(self, guard: Guard, module: Handlers) -> None:
        self._guard = guard
        self._acls = guard.acls
        self._topics = guard.topics
        self._rules: Access = module.ACCESS
        self._are_known = tuple(rule.is_known for rule in module.ACCESS)
        self._handle = module.handle
        self._refusal = module.refusal
        self._hiding = [rule for rule in module.ACCESS if rule.hides]

    def __call__(self, broker: Any, request: Request, session: Session) -> Any:
        """As the handler."""
        if not self._hiding and request.size_bytes <= LONG_FRAME_BYTES:
            message, noted = request.message, session.notes.get(ALLOWED)
            if noted is not None and noted[0] == self._acls.generation:
                allowed = noted[1]
            else:
                allowed = self._guard.allowed(session)
            topics = self._topics
            for is_known in self._are_known:
                if not is_known(message, allowed, topics):
                    break
            else:
                return self._handle(broker, request, session)
        gate, asked = self._guard.gate(request, session), request.message
        admitting = admitted(self._rules, gate, asked)
        if request.size_bytes > LONG_FRAME_BYTES:
            return self._in_steps(broker, request, session, gate, admitting)
        message, parts = finished(admitting)
        told = _Told(gate, asked, parts, self._hiding, self._refusal)
        return self._answered(broker, request, session, message, told)

    def _in_steps(
        self, broker: Any, request: Request, session: Session, gate: Gate, admitting: Admitting
    ) -> Steps:
        message, parts = yield from admitting
        told = _Told(gate, request.message, parts, self._hiding, self._refusal)
        outcome = self._answered(broker, request, session, message, told)
        return (yield from outcome) if type(outcome) is GeneratorType else outcome

    def _answered(
        self, broker: Any, request: Request, session: Session, message: Any, told: _Told
    ) -> Any:
        if message is None:
            return told.alone()
        if message is not request.message:
            # Not put into the request itself: 1. long work looks at its message when it is its
            # turn  2. if it fails, all that was asked is refused, as it was asked.
            request = copy(request)
            request.message = message
        outcome = self._handle(broker, request, session)
        if type(outcome) is GeneratorType:
            return told.behind_steps(outcome) if told.changes else outcome
        if outcome is None:
            return told.alone() if told.parts else None  # acks=0: the connection ends
        return then(outcome, told.behind) if told.changes else outcome


class _Told:
    """What is done to the answer of one request."""

    def __init__(
        self,
        gate: Gate,
        asked: Any,
        parts: Sequence[Part],
        hiding: Sequence[Rule],
        refusal: Refusal,
    ) -> None:
        self._gate = gate
        self._asked = asked
        self.parts = parts
        self._hiding = hiding
        self._refusal = refusal

    @property
    def changes(self) -> bool:
        """Whether anything is done."""
        return bool(self.parts or self._hiding)

    def alone(self) -> Any:
        """Nothing but what was refused."""
        return with_refused(None, self.parts, self._refusal)

    def behind(self, response: Any) -> Any:
        """What was refused behind an answer, of which what may not be seen is hidden."""
        return finished(self._steps(response))

    def behind_steps(self, steps: Steps) -> Steps:
        """The same of an answer that is worked for."""
        outcome = yield from steps
        if isinstance(outcome, Promise):
            return then(outcome, self.behind)
        return (yield from self._steps(outcome))

    def _steps(self, response: Any) -> Steps:
        if isinstance(response, Failure | CloseConnection):
            return response
        response = plain(response)
        for rule in self._hiding:
            response = yield from rule.reveal(self._gate, self._asked, response)
        return with_refused(response, self.parts, self._refusal)
