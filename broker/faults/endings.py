"""EDGE: faults in the endings of transactions: held, late, or the last thing that a broker does.

The instants are those of transactions/completion.py: `txn.prepared`, `txn.marker`, `txn.completed`.
No request is on its way there, so what acts is what needs none: a delay, a barrier, a crash.
Tests: tests/system/testing/test_faults_transactions.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..transactions.completion import Moment
from ..transactions.endings import Ending
from ..transactions.transaction import TopicPartition
from ..world import Crashed
from .detour import FaultPath
from .rules import ArmedRule, Instant, due


@dataclass(frozen=True, slots=True)
class EndingPart:
    """A partition of an ending, as rules ask about it."""

    topic: str
    partition: int
    producer_id: int
    record_keys: frozenset[bytes | None] = frozenset()


@dataclass(frozen=True, slots=True)
class EndingOccasion:
    """An ending at one of its instants. Implements rules.Occasion.

    Attributes:
        parts: the partition whose marker is due; at the other instants all of the transaction.
    """

    transactional_id: str
    is_commit: bool
    parts: Sequence[EndingPart]
    api: str = ""
    client_id: str = ""
    connection: int = 0
    path: str = ""


class EndingFaults:
    """What completion.Completion calls at its moments, in a broker with faults.

    Args:
        failed: takes what must end the broker.
    """

    def __init__(self, path: FaultPath, failed: Callable[[Exception], None]) -> None:
        self._path = path
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

    def at(
        self,
        moment: Moment,
        transactional_id: str,
        ending: Ending,
        where: TopicPartition | None,
        go_on: Callable[[], None],
    ) -> None:
        """Go on, at once or when what the rules say is over."""
        instant = Instant(moment.value)
        rules = [each for each in self._path.faults.rules if each.rule.instant is instant]
        occasion = _occasion(transactional_id, ending, where)
        striking = list(due(instant, [each for each in rules if each.rule.covers(occasion)]))
        if not striking:
            go_on()
            return
        task = asyncio.get_running_loop().create_task(self._act(striking, go_on))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """The broker ends: what is held stays undone."""
        for task in self._tasks:
            task.cancel()

    async def _act(self, striking: list[ArmedRule], go_on: Callable[[], None]) -> None:
        try:
            for armed in striking:
                await self._path.act(armed)
            go_on()
        except Crashed:
            return
        except Exception as error:  # noqa: BLE001  whatever it is, an ending is stuck half done
            self._failed(error)


def _occasion(
    transactional_id: str, ending: Ending, where: TopicPartition | None
) -> EndingOccasion:
    partitions = ending.prepare.partitions if where is None else (where,)
    parts = [EndingPart(*each, ending.producer_id) for each in partitions]
    return EndingOccasion(transactional_id, ending.is_commit, parts)
