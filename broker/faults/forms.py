"""Fault rules as plain mappings, the one form for files and control sockets: {action: fields}.

    {"lose_reply": {"api": "Produce", "topic": "orders", "nth": 2}}
    {"crash": {"at": "rename", "path": "*.producers", "side": "after"}}

The names are those of the methods of `faults` (testing/fault_control.py). Keys of records are text
here. Files are read in testing/fault_file.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ...protocol.errors import ErrorCode
from ..config.properties import nearest
from .rules import (
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

ACTIONS: dict[str, type[Action]] = {
    "lose_reply": LoseReply,
    "tear_reply": TearReply,
    "delay": Delay,
    "error": AnswerError,
    "disconnect": Disconnect,
    "handle_twice": HandleTwice,
    "hold": Hold,
    "disk_full": DiskFull,
    "disk_error": DiskError,
    "shorten_write": ShortenWrite,
    "crash": Crash,
}
_NAMES = {action: name for name, action in ACTIONS.items()}
_SCOPE: dict[str, type] = {
    "at": str,
    "api": str,
    "topic": str,
    "partition": int,
    "client_id": str,
    "producer_id": int,
    "key": str,
    "connection": int,
    "path": str,
    "nth": int,
    "every": int,
    "probability": float,
    "seed": int,
    "times": int,
}
# What ends an exchange, a wait or the broker: a second time is rarely meant, and must be asked for.
_ONCE = (LoseReply, Hold, Crash)
_OF_ACTION: dict[str, type] = {
    "then": str,
    "side": str,
    "bytes_sent": int,
    "delay_ms": int,
    "after_bytes": int,
    "bytes_written": int,
}
_CHOICES = {
    (LoseReply, "then"): ("close", "silence"),
    (ShortenWrite, "then"): ("fail", "crash"),
    (Crash, "side"): ("before", "after"),
}


class FieldError(ValueError):
    """A field cannot be understood; `name` is the field, "" for the rule as a whole."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name = name


class _Given(NamedTuple):
    action: dict[str, Any]
    scope: dict[str, Any]


def rule_of(form: Mapping[str, Any]) -> Rule:
    """The rule that a mapping describes.

    Raises:
        FieldError: it describes none; the text says why.
    """
    if len(form) != 1:
        raise FieldError("", f"one action a rule, of {', '.join(ACTIONS)}")
    ((name, given),) = form.items()
    if name not in ACTIONS:
        hint = nearest(name, ACTIONS) or f"; known: {', '.join(ACTIONS)}"
        raise FieldError("", f"no action is called {name!r}{hint}")
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise FieldError("", f"{name} takes fields, not {given!r}")
    kind = ACTIONS[name]
    own = [field.name for field in fields(kind)]
    sorted_ = _Given({}, {})
    for field, value in given.items():
        if field in own:
            sorted_.action[field] = _checked(kind, field, value)
        elif field in _SCOPE:
            sorted_.scope[field] = _checked(kind, field, value)
        else:
            hint = nearest(str(field), [*own, *_SCOPE]) or f"; it has: {_listed(own)}"
            raise FieldError(str(field), f"{name} has no {field!r}{hint}")
    try:
        action = kind(**sorted_.action)
        return Rule(action=action, **usual_times(action, sorted_.scope))
    except TypeError:
        missing = [field for field in own if field not in sorted_.action]
        raise FieldError("", f"{name} needs {', '.join(missing)}") from None
    except ValueError as error:
        raise FieldError("", str(error)) from None


def usual_times(action: Action, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The scope, with times=1 where the action acts once and nothing else was asked for."""
    is_once = isinstance(action, _ONCE) and scope.keys().isdisjoint(
        {"times", "nth", "every", "probability"}
    )
    return {**scope, "times": 1} if is_once else {**scope}


def error_called(code: ErrorCode | str | int) -> ErrorCode:
    """Kafka's error of this name or number. Raises ValueError."""
    if isinstance(code, str):
        if code not in ErrorCode.__members__:
            hint = nearest(code.upper(), ErrorCode.__members__)
            raise ValueError(f"Kafka has no error called {code!r}{hint}")
        return ErrorCode[code]
    for known in ErrorCode:
        if known == code and not isinstance(code, bool):
            return known
    raise ValueError(f"Kafka has no error with number {code!r}")


def form_of(rule: Rule) -> dict[str, dict[str, Any]]:
    """The mapping that describes a rule.

    Raises:
        ValueError: the rule asks a function of this process (`where`).
    """
    if rule.where is not None:
        raise ValueError("where= asks a function of this process; another one cannot call it")
    form: dict[str, Any] = {}
    for field in fields(rule.action):
        value = getattr(rule.action, field.name)
        form[field.name] = value.name if isinstance(value, ErrorCode) else value
    for field in fields(Rule):
        value = getattr(rule, field.name)
        is_said = value != field.default or field.name == "times"  # None is without end
        if field.name in _SCOPE and is_said:
            text = isinstance(value, bytes)
            form[field.name] = value.decode("utf-8", "surrogateescape") if text else value
    return {_NAMES[type(rule.action)]: form}


def _checked(kind: type[Action], field: str, value: Any) -> Any:
    """The value as the rule wants it."""
    if field == "times" and value is None:
        return None
    if field == "code":
        try:
            return error_called(value)
        except ValueError as error:
            raise FieldError(field, str(error)) from None
    wanted = (_OF_ACTION | _SCOPE)[field]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (isinstance(value, wanted) and (wanted is str or is_number)) and not (
        wanted is float and is_number
    ):
        raise FieldError(field, f"{field} is {value!r}; it takes {_KINDS[wanted]}")
    choices = _CHOICES.get((kind, field))
    if choices is not None and value not in choices:
        raise FieldError(field, f"{field} is {value!r}; it takes {' or '.join(choices)}")
    match field:
        case "at":
            if value not in list(Instant):
                raise FieldError(field, f"at is {value!r}; the instants are {', '.join(Instant)}")
            return Instant(value)
        case "key":
            return value.encode("utf-8", "surrogateescape")
    return value


_KINDS = {str: "a text", int: "a whole number", float: "a number"}


def _listed(own: list[str]) -> str:
    return ", ".join([*own, *_SCOPE])


def rule_text(rule: Rule) -> str:
    """A rule as it was asked for, such as "lose_reply(api='Produce', nth=2)"."""
    bare = replace(rule, where=None)
    ((name, form),) = form_of(bare).items()
    given = [
        f"{field}={value!r}"
        for field, value in form.items()
        if field != "times" or value is not None
    ]
    if rule.where is not None:
        given.append("where=…")
    return f"{name}({', '.join(given)})"
