"""Consumer groups: members, committed offsets and lag, from the coordinator's own state.

Names and labels are kafka_exporter's. Lag is what `minibroker groups describe` shows: from the
committed offset to the high watermark, at least 0. Unlike kafka_exporter, partitions of a topic of
which nothing is committed are left out instead of told as -1, and counted in no sum.
A group may be called anything and there may be very many: see the bounds in limits.py.
Source: kafka_exporter.go; GroupCoordinatorMetrics of Kafka.
Tests: tests/system/metrics/test_metrics.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Final

from ..broker import Broker
from ..groups.members import Group
from ..groups.records import OffsetCommitValue
from ..groups.states import GroupState
from ..limits import (
    METRICS_GROUP_ID_LENGTH_MAX,
    METRICS_GROUP_OFFSETS_MAX,
    METRICS_GROUPS_MAX,
)
from .family import Sample, Series, gauge

ROWS_A_STEP: Final = 300
NOT_THERE: Final = -1

MEMBERS = gauge(
    "kafka_consumergroup_members",
    "Members of a group",
    "consumergroup",
    alert="kafka_consumergroup_members == 0 and on (consumergroup) "
    "sum by (consumergroup) (kafka_consumergroup_lag) > 0",
    because="nobody reads for a group that has something to read",
)
CURRENT_OFFSET = gauge(
    "kafka_consumergroup_current_offset",
    "The offset that a group has committed for a partition",
    *("consumergroup", "topic", "partition"),
)
CURRENT_OFFSET_SUM = gauge(
    "kafka_consumergroup_current_offset_sum",
    "Offsets that a group has committed, summed over the partitions of a topic",
    *("consumergroup", "topic"),
)
LAG = gauge(
    "kafka_consumergroup_lag",
    "Records of a partition that a group has not committed yet",
    *("consumergroup", "topic", "partition"),
)
LAG_SUM = gauge(
    "kafka_consumergroup_lag_sum",
    "The same, summed over the partitions of a topic",
    *("consumergroup", "topic"),
    alert="kafka_consumergroup_lag_sum > 10000 and delta(kafka_consumergroup_lag_sum[10m]) > 0",
    because="a group falls behind; take the number that your records can wait for",
)
GROUPS = gauge("kafka_coordinator_group_groupmetadatamanager_numgroups", "Groups")
OFFSETS = gauge(
    "kafka_coordinator_group_groupmetadatamanager_numoffsets", "Committed offsets of all groups"
)
_IN_STATE: Final = {
    state: gauge(
        f"kafka_coordinator_group_groupmetadatamanager_numgroups{state.value.lower()}",
        f"Groups that are {state.value}",
    )
    for state in GroupState
}
FAMILIES: Final = (
    *(MEMBERS, CURRENT_OFFSET, CURRENT_OFFSET_SUM, LAG, LAG_SUM, GROUPS, OFFSETS),
    *_IN_STATE.values(),
)


class Columns:
    """What groups have committed; lists and no object for each, see exposition.py.

    A lag is -1 for a partition that is not there.
    """

    def __init__(self) -> None:
        self.group_ids: list[str] = []
        self.topics: list[str] = []
        self.indexes: list[str] = []
        self.offsets: list[int] = []
        self.lags: list[int] = []

    def __len__(self) -> int:
        return len(self.offsets)

    def add(self, group_id: str, topic: str, index: int, offset: int, lag: int) -> None:
        """One more; a sum over a topic has index -1."""
        self.group_ids.append(group_id)
        self.topics.append(topic)
        self.indexes.append(str(index))
        self.offsets.append(offset)
        self.lags.append(lag)

    def told(self, values: Iterable[int]) -> Iterator[Sample]:
        """A sample of each whose value is not -1."""
        columns = (self.group_ids, self.topics, self.indexes)
        return (
            Sample(labels, n)
            for labels, n in zip(zip(*columns, strict=True), values, strict=True)
            if n != NOT_THERE
        )

    def summed(self, values: Iterable[int]) -> Iterator[Sample]:
        """The same for sums over topics."""
        columns = (self.group_ids, self.topics)
        return (
            Sample(labels, n)
            for labels, n in zip(zip(*columns, strict=True), values, strict=True)
            if n != NOT_THERE
        )


class GroupsPass:
    """What one scrape has found.

    Attributes:
        left_out_groups, left_out_offsets: that are beyond the bounds.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._groups: list[Group] = list(broker.groups.roster.all())
        self.offsets, self.sums = Columns(), Columns()
        self.members: dict[str, int] = {}
        self.states: Counter[GroupState] = Counter()
        self.offset_count = 0
        self.left_out_groups = self.left_out_offsets = 0

    def look(self) -> Generator[None, None, None]:
        """Do it."""
        left = ROWS_A_STEP
        for group in self._groups:
            self.states[group.state] += 1
            offsets = self._broker.groups.offsets.of_group(group.group_id)
            count = sum(map(len, offsets.values()))
            self.offset_count += count
            if self._has_room(group, count):
                for topic in tuple(offsets):  # others commit while this waits for its turn
                    yield from self._look_at(group.group_id, topic, offsets.get(topic, {}))
            else:
                self.left_out_offsets += count
            left -= 1 + count
            if left <= 0:
                left = ROWS_A_STEP
                yield
        self._groups = []

    def _has_room(self, group: Group, offset_count: int) -> bool:
        """Whether a group's offsets are told; its members are, unless it is beyond the bounds."""
        has_long_id = len(group.group_id) > METRICS_GROUP_ID_LENGTH_MAX
        if has_long_id or len(self.members) >= METRICS_GROUPS_MAX:
            self.left_out_groups += 1
            return False
        self.members[group.group_id] = len(group.members)
        return len(self.offsets) + offset_count <= METRICS_GROUP_OFFSETS_MAX

    def _look_at(
        self, group_id: str, topic: str, offsets: Mapping[int, OffsetCommitValue]
    ) -> Generator[None, None, None]:
        offset_sum, lag_sum = 0, -1
        for number, (index, each) in enumerate(tuple(offsets.items()), 1):
            lag = self._lag(topic, index, each.offset)
            self.offsets.add(group_id, topic, index, each.offset, lag)
            offset_sum += each.offset
            if lag != NOT_THERE:
                lag_sum = max(lag_sum, 0) + lag
            if not number % ROWS_A_STEP:
                yield
        if offsets:
            self.sums.add(group_id, topic, -1, offset_sum, lag_sum)

    def _lag(self, topic: str, index: int, offset: int) -> int:
        known = self._broker.state.topics.get(topic)
        if known is None or index >= known.partition_count:
            return NOT_THERE
        partition = self._broker.partitions.get((topic, index))
        return max(0, (0 if partition is None else partition.high_watermark) - offset)

    def series(self) -> Iterator[Series]:
        """All families."""
        yield MEMBERS, (Sample((group_id,), n) for group_id, n in self.members.items())
        yield CURRENT_OFFSET, self.offsets.told(self.offsets.offsets)
        yield LAG, self.offsets.told(self.offsets.lags)
        yield CURRENT_OFFSET_SUM, self.sums.summed(self.sums.offsets)
        yield LAG_SUM, self.sums.summed(self.sums.lags)
        yield GROUPS, [Sample((), sum(self.states.values()))]
        yield OFFSETS, [Sample((), self.offset_count)]
        for state, family in _IN_STATE.items():
            yield family, [Sample((), self.states[state])]
