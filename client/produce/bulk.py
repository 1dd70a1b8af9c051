"""EDGE: send_many: what was handed over in bulk, put into batches, waited for, and told as one.

Everything is examined and encoded before the first record is put anywhere. Read first: producer.py.
Tests: tests/system/client/test_client_door.py
"""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import NamedTuple

from ..door import door
from ..errors import ClientError
from ..partitions import RecordMetadata
from .batch import ProducerBatch, Split
from .intake import Intake
from .receipts import Receipts, Run, outcome_at, until_all_done


class Bulk(NamedTuple):
    """Records for one topic, behind the door.

    Attributes:
        keys, headers, timestamps: one for each value; None: none has any, the same for all.
    """

    topic: str
    values: list[bytes | None]
    keys: list[bytes | None] | None
    headers: list[bytes] | None
    timestamps: list[float] | None
    timestamp: float
    partition: int | None

    @property
    def is_plain(self) -> bool:
        """Whether its records are values and nothing else."""
        beside = (self.keys, self.headers, self.timestamps)
        return all(each is None for each in beside) and None not in self.values


def bulk_of(
    topic: object,
    values: list[bytes | None],
    keys: list[bytes | None] | None,
    *,
    headers: object,
    timestamps: object,
    timestamp_ms: object,
    partition: object,
) -> Bulk:
    """Examine what send_many was given; raises as door/door.py does.

    Args:
        values, keys: examined already.
    """
    per_record_headers = None
    if headers is not None:
        given = door.listed("headers", headers)
        per_record_headers = [door.headers(f"headers[{n}]", each) for n, each in enumerate(given)]
    stamps = None
    if timestamps is not None:
        if timestamp_ms is not None:
            raise ValueError("timestamp_ms is one for all, timestamps one for each: give one")
        listed = door.listed("timestamps", timestamps)
        stamps = [door.timestamp_ms(f"timestamps[{n}]", each) for n, each in enumerate(listed)]
    for name, beside in (("keys", keys), ("headers", per_record_headers), ("timestamps", stamps)):
        if beside is not None and len(beside) != len(values):
            raise ValueError(f"{len(values)} values and {len(beside)} {name}")
    now = time() * 1000
    return Bulk(
        topic=door.text("topic", topic),
        values=values,
        keys=keys,
        headers=per_record_headers,
        timestamps=stamps,
        timestamp=now if timestamp_ms is None else door.timestamp_ms("timestamp_ms", timestamp_ms),
        partition=door.partition("partition", partition),
    )


async def sent(bulk: Bulk, intake: Intake) -> Receipts:
    """Put every record into a batch, and wait for all of them. Raises as Producer.send_many."""
    runs: list[Run] = []
    refused: ClientError | None = None
    try:
        if bulk.is_plain and not intake.has_partitioner:
            values: list[bytes] = bulk.values  # type: ignore[assignment]  # none is None
            await intake.add_values(bulk.topic, values, bulk.partition, bulk.timestamp, runs)
        else:
            await _add_each(bulk, intake, runs)
    except ClientError as error:
        refused = error
    batches = [*dict.fromkeys(run.batch for run in runs)]
    for batch in batches:
        batch.is_awaited = batch.is_heard = True
    intake.wake()
    await until_all_done(batches)
    if refused is not None or any(_has_failed(batch) for batch in batches):
        raise _partly_failed(bulk.topic, runs, len(bulk.values), refused)
    return Receipts(runs)


async def _add_each(bulk: Bulk, intake: Intake, runs: list[Run]) -> None:
    keys, headers, timestamps = bulk.keys, bulk.headers, bulk.timestamps
    number = intake.transaction_number
    for index, value in enumerate(bulk.values):
        intake.raise_unless_taking(number)
        run = await intake.add(
            bulk.topic,
            None if keys is None else keys[index],
            value,
            door.NO_HEADERS if headers is None else headers[index],
            partition=bulk.partition,
            timestamp=bulk.timestamp if timestamps is None else timestamps[index],
        )
        runs.append(run)


def _has_failed(batch: ProducerBatch) -> bool:
    if isinstance(batch.outcome, Split):
        return any(map(_has_failed, batch.outcome.pieces))
    return isinstance(batch.outcome, ClientError)


def _partly_failed(
    topic: str, runs: Sequence[Run], count: int, refused: ClientError | None
) -> ClientError:
    """The error of a send_many of which not everything was stored."""
    outcomes: list[RecordMetadata | ClientError] = [
        outcome_at(run.batch, index)
        for run in runs
        for index in range(run.first, run.first + run.length)
    ]
    if refused is not None:
        outcomes += [refused] * (count - len(outcomes))
    failed = [each for each in outcomes if isinstance(each, ClientError)]
    error = type(failed[0])(
        f"{len(failed)} of {count} records for {topic} failed, {count - len(failed)} are stored; "
        f"the first failure: {failed[0]}",
        code=failed[0].code,
        possibly_persisted=len(failed) < count or any(each.possibly_persisted for each in failed),
    )
    error.outcomes = outcomes
    return error
