"""What is told of a batch in a durable session that is not simply stored: errors and their texts.

Read first: gate.py.
Tests: tests/unit/client/session/test_gate.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ....protocol.errors import ErrorCode
from ...errors import ClientError, DeliveryTimeout, Fatal, Fenced
from ...produce.batch import ProducerBatch

E = ErrorCode
COPIED: Final = "Somebody goes on with a copy of this session, under the same producer id"


def late(batch: ProducerBatch, limit_ms: float, reason: str, *, is_open: bool) -> DeliveryTimeout:
    """Its time has run out, and it goes on.

    Args:
        is_open: it is journaled.
    """
    return DeliveryTimeout(
        f"{batch.describe()} not confirmed within delivery_timeout_ms={limit_ms}; "
        f"{'open, in the session' if is_open else 'on the way into the session'}: it goes on"
        f"{f'; last problem: {reason}' if reason else ''}",
        code=E.REQUEST_TIMED_OUT,
        possibly_persisted=True,
    )


def still_open(batches: Sequence[ProducerBatch], limit_ms: float, reason: str) -> DeliveryTimeout:
    """Somebody has waited for these, and they go on."""
    return DeliveryTimeout(
        f"{sum(each.count for each in batches)} records not confirmed within {limit_ms:.0f} ms; "
        f"open, in the session: they go on; last problem: {reason or 'none'}",
        code=E.REQUEST_TIMED_OUT,
        possibly_persisted=True,
    )


def left_open(error: ClientError) -> ClientError:
    """Nobody waits any longer, and it stays in the session; of no use where that is another's."""
    if isinstance(error, Fenced):
        return error
    return type(error)(
        f"{error}; it stays open, in the session: the next producer with this session settles it",
        code=error.code,
        possibly_persisted=True,
        reason=error.reason,
    )


def lost(batch: ProducerBatch) -> Fatal:
    """A later one was stored, and brokers refuse this one."""
    return Fatal(
        f"{batch.describe()}: the broker has stored later records and not these: it has lost what "
        "it knew of this producer; send them again if their order does not matter",
        code=E.OUT_OF_ORDER_SEQUENCE_NUMBER,
    )
