"""EDGE: transactions: which are open, since when, and what readers wait for.

A reader of committed records gets no further in a partition than to the first transaction that is
open there: what lies behind waits with it, whoever wrote it.
Tests: tests/system/console/test_transactions.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ...client.admin import TransactionDescription, TransactionListing
from ...client.cluster.list_offsets import LATEST
from ...client.errors import ClientError
from ...client.partitions import TopicPartition
from .kafka import Kafka

KEPT_S = 1.0
PLACES_MAX = 200  # of one transaction
OPEN = ("Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence")


@dataclass(frozen=True, slots=True)
class Row:
    """A transactional id in the list; None where it was not told, or is gone by now."""

    listing: TransactionListing
    description: TransactionDescription | None

    @property
    def is_open(self) -> bool:
        """Whether readers wait for its end."""
        return self.listing.state in OPEN


@dataclass(frozen=True, slots=True)
class Held:
    """What readers of committed records wait for in one partition; -1 where it is not told.

    Attributes:
        start: where this transaction began there.
        waiting: offsets from there to the end.
    """

    place: TopicPartition
    start: int
    waiting: int


async def all_transactions(kafka: Kafka) -> list[TransactionListing]:
    """All transactional ids, open ones first, a second old at most."""

    async def ask() -> list[TransactionListing]:
        found = await kafka.list_transactions()
        return sorted(found, key=lambda each: (each.state not in OPEN, each.transactional_id))

    return await kafka.cached.get("transactions", KEPT_S, ask)


async def rows_of(kafka: Kafka, listings: Sequence[TransactionListing]) -> list[Row]:
    """These with their descriptions."""

    async def describe(name: str) -> TransactionDescription | None:
        async def ask() -> TransactionDescription:
            async with kafka.few:
                return (await kafka.describe_transactions([name]))[name]

        try:
            return await kafka.cached.get(("transaction", name), KEPT_S, ask)
        except ClientError:
            return None  # it expired since it was listed, or may not be described

    found = await asyncio.gather(*(describe(each.transactional_id) for each in listings))
    return [Row(*pair) for pair in zip(listings, found, strict=True)]


async def held_by(kafka: Kafka, transaction: TransactionDescription) -> list[Held]:
    """What waits for the end of a transaction, by partition."""
    places = [p for p in sorted(transaction.partitions) if not p.topic.startswith("__")]
    places = places[:PLACES_MAX]
    if not places or transaction.state not in OPEN:
        return []
    producers, ends = await asyncio.gather(
        kafka.describe_producers(places), kafka.list_offsets(dict.fromkeys(places, LATEST))
    )
    found = []
    for place in places:
        starts = [
            each.transaction_start_offset
            for each in producers[place]
            if each.producer_id == transaction.producer_id and each.transaction_start_offset >= 0
        ]
        start = starts[0] if starts else -1
        found.append(Held(place, start, ends[place].offset - start if starts else 0))
    return found
