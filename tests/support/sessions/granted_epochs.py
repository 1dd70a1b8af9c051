"""Which epochs of a transactional id were given, and who has heard of which: what explains a fence.

A process may be fenced where the coordinator has given a later epoch than it knows of: to another
one, to a request that nobody waits for any more, or to one whose answer was lost with the
coordinator, which does not know the request again when it has been restarted (KIP-360's last epoch
is only in memory). Anything else is a defect, of either side.
Who uses it: session_world.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from minibroker.protocol.messages.init_producer_id import InitProducerIdRequest

EXPIRES_MS: Final = 7 * 86_400_000.0  # transactional.id.expiration.ms, by default


class Given(NamedTuple):
    """One grant."""

    producer_id: int
    epoch: int


UNHEARD_OF: Final = Given(-1, -1)


def grant_in(message: Any, answer: Any) -> Given | None:
    """What a request was given under its transactional id; None for nothing."""
    if not _asks_for_one(message) or answer.error_code:
        return None
    return Given(answer.producer_id, answer.producer_epoch)


def _asks_for_one(message: Any) -> bool:
    return isinstance(message, InitProducerIdRequest) and message.transactional_id is not None


@dataclass
class Epochs:
    """All grants of a coordinator under the one transactional id of a world.

    Attributes:
        may_be_lost: the coordinator may have forgotten some of them.
    """

    may_be_lost: bool = False
    _given: list[Given] = field(default_factory=list)
    _given_at_ms: float = 0.0
    _asked: list[Any] = field(default_factory=list)  # and not answered

    def asks(self, message: Any) -> None:
        """The coordinator has a request."""
        if _asks_for_one(message):
            self._asked.append(message)

    def gives(self, message: Any, answer: Any, now_ms: float) -> None:
        """The coordinator has answered, whether that arrives or not."""
        self._asked = [each for each in self._asked if each is not message]
        grant = grant_in(message, answer)
        if grant is not None:
            self._given.append(grant)
            self._given_at_ms = now_ms

    def coordinator_ended(self) -> None:
        """What it was asked may be in its log, and nobody has heard of it."""
        self._given += [UNHEARD_OF for _ in self._asked]
        self._asked.clear()

    def power_lost(self) -> None:
        """What the coordinator has written, and not flushed, is gone."""
        self.may_be_lost = self.may_be_lost or bool(self._given)

    def is_passed(self, heard: Given | None) -> bool:
        """Whether there is a later one than somebody has heard of last."""
        if heard is None:
            return False
        later = self._given[self._given.index(heard) + 1 :]
        return any(each.producer_id != heard.producer_id or each > heard for each in later)

    def is_forgotten(self, now_ms: float) -> bool:
        """Whether the coordinator may have forgotten the newest one."""
        return self.may_be_lost or now_ms >= self._given_at_ms + EXPIRES_MS
