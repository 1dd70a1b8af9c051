"""EDGE: calls the handler of process(), and makes a list of whatever it gives.

Tests: tests/unit/client/processing/test_handling.py
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias

from ..fetch.position import ConsumerRecord
from .output import Output

Given: TypeAlias = Output | Iterable[Output] | AsyncIterable[Output] | None
Handler: TypeAlias = Callable[[ConsumerRecord[Any, Any]], Given | Awaitable[Given]]
Outcome: TypeAlias = list[Output] | Exception


class Handles(Protocol):
    """Handles some records in their order, up to the first that fails if `ends_at_failure`."""

    async def __call__(
        self, records: Sequence[ConsumerRecord[Any, Any]], *, ends_at_failure: bool
    ) -> list[Outcome]: ...


class Handling:
    """Implements Handles with a handler that is called in this loop."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(
        self, records: Sequence[ConsumerRecord[Any, Any]], *, ends_at_failure: bool
    ) -> list[Outcome]:
        """What came of each record."""
        outcomes: list[Outcome] = []
        for record in records:
            try:
                given = self._handler(record)
                if isawaitable(given):
                    given = await given
                if isinstance(given, AsyncIterable):
                    given = [each async for each in given]
                outcomes.append(outputs_in(given))
            except Exception as error:  # noqa: BLE001  whatever the application's code raises
                outcomes.append(error)
                if ends_at_failure:
                    break
        return outcomes


def outputs_in(given: object) -> list[Output]:
    """What a handler gave, as a list. Raises TypeError for what is neither None nor Outputs."""
    if given is None:
        return []
    if isinstance(given, Output):
        return [given]
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(_unfit(given))
    outputs = [*given]
    for each in outputs:
        if not isinstance(each, Output):
            raise TypeError(_unfit(each))
    return outputs


def _unfit(given: object) -> str:
    return (
        f"the handler gave {type(given).__name__}: expected None, an Output, or an iterable of them"
    )
