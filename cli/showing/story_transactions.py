"""EDGE: the scenes of the story in which a producer has a transactional id.

Frames are made one by one while a scene is played: the log is read back before and after each call
of the library, markers and all; what is said of a record is the broker's word at that moment.
Tests: tests/system/commands/test_story.py
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress

from ...client.cluster.connection import Connection
from ...client.consumer import Consumer
from ...console.lesson.producers.process import ProducerFailed, ProducerProcess, running_producer
from ...protocol.batch.control import read_marker
from ...protocol.errors import error_code
from ...protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from ...testing.stored import Stored, all_stored, stored_batches
from .story_frames import Fate, Frame, short_id
from .story_stage import Scene, Stage, Told, verdicts

RESTARTED_ID = "shop"
ABORTING_ID = "till"
READ_MS = 1_000
FETCH_BYTES = 1024 * 1024


async def restarted(stage: Stage, topic: str) -> Told:
    """The predecessor leaves y open, is taken for dead and goes on; its successor sends y again."""
    stage.broker.create_topic(topic)
    servers, name = stage.broker.bootstrap_servers, RESTARTED_ID
    frames = []
    async with running_producer(
        stage.client, servers, idempotent=True, transactional_id=name
    ) as old:
        await old.begin()
        frames.append(await _sending(stage, topic, old, "y", who="old"))
        before = await shelf(stage, topic)
        async with running_producer(
            stage.client, servers, idempotent=True, transactional_id=name
        ) as new:
            begun = await shelf(stage, topic)
            frames.append(await _sending(stage, topic, old, "z", who="old"))
            await new.begin()
            frames.append(await _sending(stage, topic, new, "y", who="new"))
            frames.append(await _ending(stage, topic, new.commit(), frames[-1], "commit"))
    log = await shelf(stage, topic)
    first, fenced, again, _ = frames
    frames.insert(1, _taking_over(first, again, before, begun))
    return Told(
        frames,
        log,
        {
            "the start of the successor aborted what was open": _kinds(begun)
            == [("y", "aborted"), ("ABORT", None)],
            "both have one PID, the successor a higher epoch": first.producer_id
            == again.producer_id
            and first.epoch < again.epoch,
            "the predecessor was refused": fenced.answer.startswith("error"),
            "the log holds y aborted, and y committed": _kinds(log)
            == [("y", "aborted"), ("ABORT", None), ("y", "committed"), ("COMMIT", None)],
            "a reader with read_committed is given y once": await _read(
                stage, topic, is_committed=True
            )
            == "y",
        },
    )


async def aborted_unseen(stage: Stage, topic: str) -> Told:
    """x is committed, y aborted; then two read."""
    stage.broker.create_topic(topic)
    frames = []
    async with running_producer(
        stage.client,
        stage.broker.bootstrap_servers,
        idempotent=True,
        transactional_id=ABORTING_ID,
    ) as producer:
        await producer.begin()
        frames.append(await _sending(stage, topic, producer, "x"))
        frames.append(await _ending(stage, topic, producer.commit(), frames[-1], "commit"))
        await producer.begin()
        frames.append(await _sending(stage, topic, producer, "y"))
        frames.append(await _ending(stage, topic, producer.abort(), frames[-1], "abort"))
    log = await shelf(stage, topic)
    seen = {level: await _read(stage, topic, is_committed=level) for level in (False, True)}
    frames += [await _reading(stage, topic, log, seen[level], level) for level in (False, True)]
    return Told(
        frames,
        log,
        {
            "the log holds x and COMMIT, y and ABORT": _kinds(log)
            == [("x", "committed"), ("COMMIT", None), ("y", "aborted"), ("ABORT", None)],
            "read_uncommitted is given x and y": seen[False] == "xy",
            "read_committed is given x": seen[True] == "x",
        },
    )


TRANSACTIONS = (
    Scene(
        "A producer restarted under its transactional id",
        f'The producer has a transactional id, "{RESTARTED_ID}", and has sent y in a '
        "transaction that is open. It hangs, so it is started once more; then the old process "
        "goes on.",
        restarted,
        "The id says who is who: the start of the new process aborted what the old one had left "
        "open, and from then on the old one is refused. y is committed once.",
    ),
    Scene(
        "An aborted transaction is not seen",
        "The producer commits a transaction with x, and aborts one with y. Then the log is read "
        "twice.",
        aborted_unseen,
        "y is in the log, and stays there. The marker behind it says that it does not count: "
        "readers with read_committed are never given it.",
    ),
)


async def shelf(stage: Stage, topic: str) -> list[Stored]:
    """What partition 0 holds, with its markers: as records named COMMIT and ABORT."""
    connection = await Connection.open("127.0.0.1", stage.broker.port)
    try:
        batches = await stored_batches(connection, topic)
    finally:
        await connection.close()
    markers = []
    for header, batch in batches:
        marker = read_marker(batch) if header.is_control else None
        if marker is not None:
            value = b"COMMIT" if marker.is_commit else b"ABORT"
            who = marker.producer_id, marker.producer_epoch
            at = header.base_offset, header.base_timestamp
            markers.append(Stored(0, at[0], None, value, (), at[1], *who, -1))
    return sorted([*all_stored(0, batches), *markers], key=lambda each: each.offset)


async def _sending(
    stage: Stage, topic: str, producer: ProducerProcess, value: str, who: str = "producer"
) -> Frame:
    """Send a record, and wait for what becomes of it."""
    before = await shelf(stage, topic)
    # The library ends its process when it is fenced; what the broker has noted says whether it was.
    with suppress(ProducerFailed):
        await producer.send(topic, value)
    noted = (await verdicts(stage, topic))[-1]
    code = error_code(noted.error_code)
    return Frame(
        value=value,
        partition=0,
        producer_id=noted.producer_id,
        sequence=noted.first_sequence,
        before=before,
        after=await shelf(stage, topic),
        answer=f"error {code.value}" if code else f"ack, offset {noted.base_offset}",
        fate=Fate.DELIVERED,
        words=noted.reason,
        who=who,
        epoch=noted.producer_epoch,
    )


async def _ending(stage: Stage, topic: str, done: Awaitable[None], last: Frame, what: str) -> Frame:
    """Commit or abort."""
    before = await shelf(stage, topic)
    await done
    after = await shelf(stage, topic)
    word = (await verdicts(stage, topic))[-1].reason.partition("; ")[2]
    return Frame(
        value=what,
        partition=0,
        producer_id=last.producer_id,
        sequence=-1,
        before=before,
        after=after,
        answer="done",
        fate=Fate.DELIVERED,
        words=f"the marker takes offset {after[-1].offset}; {last.value}: {word}",
        who=last.who,
        epoch=last.epoch,
    )


def _taking_over(
    old: Frame, new: Frame, before: Sequence[Stored], after: Sequence[Stored]
) -> Frame:
    """The start of a successor, which has been played between two readings of the log."""
    words = (
        f"the same PID, {short_id(new.producer_id)}, with a higher epoch; "
        f"what epoch {old.epoch} had open is aborted by the marker at offset {after[-1].offset}"
    )
    return Frame(
        value=f"start as {RESTARTED_ID}",
        partition=0,
        producer_id=new.producer_id,
        sequence=-1,
        before=before,
        after=after,
        answer=f"PID {short_id(new.producer_id)}, epoch {new.epoch}",
        fate=Fate.DELIVERED,
        words=words,
        who="new",
        epoch=new.epoch,
    )


async def _reading(
    stage: Stage, topic: str, log: Sequence[Stored], seen: str, is_committed: bool
) -> Frame:
    """A Fetch, and what a reader makes of it."""
    wanted = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=FETCH_BYTES)
    connection = await Connection.open("127.0.0.1", stage.broker.port)
    try:
        response = await connection.request(
            FetchRequest(
                max_wait_ms=0,
                min_bytes=0,
                max_bytes=FETCH_BYTES,
                isolation_level=int(is_committed),
                topics=[FetchTopic(topic=topic, partitions=[wanted])],
            )
        )
    finally:
        await connection.close()
    (answer,) = response.responses[0].partitions
    listed = [
        f"PID {short_id(each.producer_id)} from offset {each.first_offset} to its marker"
        for each in answer.aborted_transactions or ()
    ]
    told = f"lists as aborted: {', '.join(listed)}" if listed else "lists nothing as aborted"
    return Frame(
        value="read_committed" if is_committed else "read_uncommitted",
        partition=0,
        producer_id=-1,
        sequence=-1,
        before=log,
        after=log,
        answer=" ".join(seen),
        fate=Fate.DELIVERED,
        words=f"the answer holds every batch and {told}; the application is given "
        f"{' and '.join(seen)}",
        who="reader",
    )


async def _read(stage: Stage, topic: str, *, is_committed: bool) -> str:
    """What a consumer is given."""
    async with Consumer(
        topic,
        bootstrap_servers=stage.broker.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed" if is_committed else "read_uncommitted",
        consumer_timeout_ms=READ_MS,
    ) as consumer:
        return "".join([(record.value or b"").decode() async for record in consumer])


def _kinds(log: Sequence[Stored]) -> list[tuple[str, str | None]]:
    return [((each.value or b"").decode(), each.transaction) for each in log]
