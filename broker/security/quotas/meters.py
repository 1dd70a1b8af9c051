"""What every client with a quota has done lately: a rate for each that shares one. Pure.

Whoever has no quota is not measured. Of names that strangers choose there are METERS_MAX at most:
the one that was used longest ago is forgotten.
Source: ClientQuotaManager.scala, ClientRequestQuotaManager.scala, ControllerMutationQuotaManager.
Tests: tests/unit/broker/security/quotas/test_meters.py
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from ...cluster.quotas import (
    CONNECTION_CREATION_RATE,
    CONSUMER_BYTE_RATE,
    CONTROLLER_MUTATION_RATE,
    IP,
    PRODUCER_BYTE_RATE,
    REQUEST_PERCENTAGE,
    Client,
    Entity,
    Quotas,
)
from .rates import WINDOW_MS, Rate, TokenBucket

METERS_MAX: Final = 10_000
M = TypeVar("M", Rate, TokenBucket)
Key = tuple[Entity, str]


class Meters:
    """Measures, and says for how long who has to wait.

    All times are in ms, of any clock that only goes on.
    """

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._rates: OrderedDict[Key, Rate] = OrderedDict()
        self._buckets: OrderedDict[Key, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rates) + len(self._buckets)

    def produced(self, client: Client, count_bytes: int, now_ms: float) -> float:
        """A Produce of so many bytes: how long the client has to wait."""
        return self._measured(client, PRODUCER_BYTE_RATE, count_bytes, now_ms)

    def fetched(self, client: Client, count_bytes: int, now_ms: float) -> float:
        """A Fetch of so many bytes: how long it has to wait; then they count as not sent."""
        throttle_ms = self._measured(client, CONSUMER_BYTE_RATE, count_bytes, now_ms)
        if throttle_ms:
            self._measured(client, CONSUMER_BYTE_RATE, -count_bytes, now_ms)
        return throttle_ms

    def worked(self, client: Client, spent_ms: float, now_ms: float) -> float:
        """So much time of the broker: how long the client has to wait, a window at most.

        The quota is in percent of one thread, of which there is one.
        """
        percent = spent_ms / 10  # of a second
        return min(self._measured(client, REQUEST_PERCENTAGE, percent, now_ms), WINDOW_MS)

    def may_mutate(self, client: Client, now_ms: float) -> bool:
        """Whether there is a token left for a change of topics."""
        return not self.mutated(client, 0, now_ms)

    def mutated(self, client: Client, count: int, now_ms: float) -> float:
        """So many partitions made or deleted: how long the client has to wait."""
        found = self._quotas.of_client(client, CONTROLLER_MUTATION_RATE)
        if found is None:
            return 0.0
        entity, quota = found
        bucket = _kept(self._buckets, (entity, CONTROLLER_MUTATION_RATE), TokenBucket)
        if count:
            bucket.record(count, quota, now_ms)
        return bucket.throttle_ms(quota, now_ms)

    def connected(self, address: str, now_ms: float) -> float:
        """A connection more from an address: how long it has to wait, a window at most.

        One that has to wait is not let in, so that it does not count.
        """
        quota = self._quotas.of_address(address)
        if quota is None:
            return 0.0
        rate = _kept(self._rates, (((IP, address),), CONNECTION_CREATION_RATE), Rate)
        rate.record(1, now_ms)
        throttle_ms = min(rate.throttle_ms(quota, now_ms), WINDOW_MS)
        if throttle_ms:
            rate.record(-1, now_ms)
        return throttle_ms

    def _measured(self, client: Client, key: str, value: float, now_ms: float) -> float:
        found = self._quotas.of_client(client, key)
        if found is None:
            return 0.0
        entity, quota = found
        rate = _kept(self._rates, (entity, key), Rate)
        rate.record(value, now_ms)
        return rate.throttle_ms(quota, now_ms)


def _kept(kept: OrderedDict[Key, M], key: Key, make: type[M]) -> M:
    """The meter of a key, made if need be; the one that was used longest ago makes room."""
    meter = kept.get(key)
    if meter is None:
        meter = kept[key] = make()
        if len(kept) > METERS_MAX:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return meter
