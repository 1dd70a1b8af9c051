"""Who was denied what, in the broker's log: each once in a while, and how often it was since.

Source: authorizer log of StandardAuthorizer ("Principal = … is Denied operation = …").
Tests: tests/unit/broker/security/rights/test_audit.py
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Final

from ....protocol.acls import AclOperation, AclResourceType
from ....protocol.errors import shortened
from ...log_lines import Event
from ...world import Clock
from .authorizer import Who

REPEATED_AFTER_MS: Final = 60_000  # the same denial again is counted, and told no sooner
REMEMBERED_MAX: Final = 1_000
LINES_A_SECOND: Final = 20

logger = logging.getLogger("minibroker.authorizer")

Denied = tuple[Who, AclOperation, AclResourceType, str]


class Audit:
    """Notes denials; whoever is denied all the time fills neither log nor memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: OrderedDict[Denied, list[int]] = OrderedDict()  # [when told, how many since]
        self._second = 0
        self._lines_left = LINES_A_SECOND
        self.denied_count = 0

    @property
    def remembered_count(self) -> int:
        """How many denials are remembered, not to be told again."""
        return len(self._told)

    def denied(
        self, who: Who, operation: AclOperation, resource_type: AclResourceType, name: str
    ) -> None:
        """Somebody was not allowed something."""
        self.denied_count += 1
        now_ms = self._clock.monotonic_ms()
        key = (who, operation, resource_type, name)
        told = self._told.get(key)
        if told is not None and now_ms - told[0] < REPEATED_AFTER_MS:
            told[1] += 1
            return
        if not self._has_line(now_ms):
            return
        self._told[key] = [now_ms, 0]
        self._told.move_to_end(key)
        if len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)
        logger.warning(
            Event(
                "denied",
                principal=shortened(who.principal),
                host=who.host,
                operation=operation.name.lower(),
                resource=f"{resource_type.name.lower()}:{shortened(name)}",
                more=told[1] if told is not None and told[1] else None,
            )
        )

    def _has_line(self, now_ms: int) -> bool:
        second = now_ms // 1000
        if second != self._second:
            self._second, self._lines_left = second, LINES_A_SECOND
        self._lines_left -= 1
        return self._lines_left >= 0
