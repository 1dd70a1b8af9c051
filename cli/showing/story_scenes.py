"""EDGE: the scenes of `minibroker demo --story`: each is played, then judged by the log.

A scene is played with a real producer process against a real broker process, on a topic of its own,
with a real fault. Its frames are made from what the broker has noted (ExplainProduce, the request
history) and from the log read back; what the story claims is checked, not assumed.
Tests: tests/system/commands/test_story.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace

from ...client.cluster.connection import Connection
from ...console.lesson.producers.process import running_producer
from ...protocol.batch.writing import build_batch
from ...protocol.errors import error_code
from ...protocol.messages.explain_produce import ProduceVerdict
from ...protocol.messages.init_producer_id import InitProducerIdRequest
from ...protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from ...testing.stored import Stored
from .story_frames import Fate, Frame, short_id
from .story_stage import Scene, Stage, Told, verdicts
from .story_transactions import TRANSACTIONS

OUT_OF_ORDER = 45


async def all_is_well(stage: Stage, topic: str) -> Told:
    """x, then y, and nothing happens."""
    stage.broker.create_topic(topic)
    offsets = await _send(stage, topic, "xy", idempotent=False)
    log = stage.broker.records(topic)
    return Told(
        await _frames(stage, topic, log),
        log,
        {
            "the log holds x, y": _values(log) == "xy",
            "the acknowledgements name offsets 0 and 1": offsets == [0, 1],
            "no record carries a PID": {each.producer_id for each in log} == {-1},
        },
    )


async def stored_twice(stage: Stage, topic: str) -> Told:
    """The acknowledgement of y is lost, and nobody recognises the retry."""
    stage.broker.create_topic(topic)
    lost = stage.broker.faults.lose_reply("Produce", topic=topic, nth=2)
    offsets = await _send(stage, topic, "xy", idempotent=False)
    log = stage.broker.records(topic)
    return Told(
        await _frames(stage, topic, log),
        log,
        {
            "one acknowledgement was lost": lost.fired == 1,
            "the log holds x, y, y": _values(log) == "xyy",
            "the acknowledgements name offsets 0 and 2": offsets == [0, 2],
        },
    )


async def numbered(stage: Stage, topic: str) -> Told:
    """Two partitions, and the numbers in each."""
    stage.broker.create_topic(topic, 2)
    places = (("x", 0), ("y", 0), ("a", 1), ("z", 0), ("b", 1))
    async with running_producer(
        stage.client, stage.broker.bootstrap_servers, idempotent=True
    ) as producer:
        for value, partition in places:
            await producer.send(topic, value, partition)
    log = stage.broker.records(topic)
    numbers = [(each.partition, each.producer_epoch, each.sequence) for each in log]
    return Told(
        await _frames(stage, topic, log),
        log,
        {
            "the log holds x, y, z and a, b": _values(log) == "xyzab",
            "all carry one PID": len(_producer_ids(log)) == 1 and log[0].producer_id >= 0,
            "each partition counts from 0": numbers
            == [(0, 0, 0), (0, 0, 1), (0, 0, 2), (1, 0, 0), (1, 0, 1)],
        },
    )


async def recognised(stage: Stage, topic: str) -> Told:
    """The acknowledgement of y is lost, and the retry is recognised."""
    stage.broker.create_topic(topic)
    lost = stage.broker.faults.lose_reply("Produce", topic=topic, nth=2)
    offsets = await _send(stage, topic, "xy", idempotent=True)
    log = stage.broker.records(topic)
    noted = await verdicts(stage, topic)
    return Told(
        await _frames(stage, topic, log),
        log,
        {
            "one acknowledgement was lost": lost.fired == 1,
            "the log holds x, y": _values(log) == "xy",
            "the acknowledgements name offsets 0 and 1": offsets == [0, 1],
            "the broker took y, then its retry": _words(noted)
            == ["appended", "appended", "duplicate"],
        },
    )


async def gap_refused(stage: Stage, topic: str) -> Told:
    """Batches made by hand: 0, then 2, then 1 and 2."""
    stage.broker.create_topic(topic)
    connection = await Connection.open("127.0.0.1", stage.broker.port, client_id="by hand")
    try:
        given = await connection.request(
            InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        )
        codes = []
        for value, sequence in (("x", 0), ("z", 2), ("y", 1), ("z", 2)):
            request = _batch_by_hand(topic, value, given.producer_id, sequence)
            response = await connection.request(request)
            codes.append(response.responses[0].partition_responses[0].error_code)
    finally:
        await connection.close()
    log = stage.broker.records(topic)
    return Told(
        await _frames(stage, topic, log, refused_values=["z"]),
        log,
        {
            "only the batch behind the gap was refused": codes == [0, OUT_OF_ORDER, 0, 0],
            "the log holds x, y, z": _values(log) == "xyz",
            "their sequence numbers are 0, 1, 2": [each.sequence for each in log] == [0, 1, 2],
        },
    )


async def new_session(stage: Stage, topic: str) -> Told:
    """The producer dies before it hears of y; its successor sends y again."""
    broker = stage.broker
    broker.create_topic(topic)
    held = broker.faults.hold("Produce", at="reply", topic=topic, nth=2)
    async with running_producer(
        stage.client, broker.bootstrap_servers, idempotent=True
    ) as producer:
        await producer.send(topic, "x")
        producer.start_sending(topic, "y")
        await held.reached()
        await producer.kill()
        held.release()
    await _send(stage, topic, "y", idempotent=True)
    log = broker.records(topic)
    x, y, again = await _frames(stage, topic, log)
    frames = (x, replace(y, fate=Fate.UNHEARD), again)
    return Told(
        frames,
        log,
        {
            "the log holds x, y, y": _values(log) == "xyy",
            "the first session's records carry one PID, the last another": (
                log[0].producer_id == log[1].producer_id != log[2].producer_id
            ),
            "the new session begins with sequence 0": log[-1].sequence == 0,
        },
    )


async def goes_on(stage: Stage, topic: str) -> Told:
    """The same death, of a producer with a durable session; its successor has the same one."""
    broker, mark = stage.broker, -1
    broker.create_topic(topic)
    held = broker.faults.hold("Produce", at="reply", topic=topic, nth=2)
    with tempfile.TemporaryDirectory() as session:
        servers = broker.bootstrap_servers
        async with running_producer("ours", servers, idempotent=True, session=session) as producer:
            await producer.send(topic, "x")
            producer.start_sending(topic, "y")
            await held.reached()
            await producer.kill()
            held.release()
        before = broker.records(topic)
        asked = len(broker.history())
        async with running_producer("ours", servers, idempotent=True, session=session) as producer:
            mark = producer.mark
            await producer.send(topic, "z")
        apis = [each.api for each in broker.history()[asked:]]
    log = broker.records(topic)
    x, y, z = await _frames(stage, topic, log)
    look = replace(
        y,
        who="new",
        value=f"what of PID {short_id(y.producer_id)}?",
        producer_id=-1,
        sequence=-1,
        before=before,
        after=before,
        answer=f"last sequence {before[-1].sequence}",
        words="y is in the session, and was on its way when the process died. The broker is asked "
        "what it knows of that PID (DescribeProducers), and the log is read: y is stored. Nothing "
        "is sent again",
    )
    return Told(
        (x, replace(y, fate=Fate.UNHEARD), look, replace(z, who="new")),
        log,
        {
            "the log holds x, y, z": _values(log) == "xyz",
            "the mark of the session was behind y": mark == 2,
            "the broker was asked before anything was sent": "DescribeProducers" in apis
            and apis.index("DescribeProducers") < apis.index("Produce"),
            "nothing but z was sent by the second process": apis.count("Produce") == 1,
            "z is under a new PID": log[1].producer_id != log[2].producer_id,
        },
    )


async def broker_crash(stage: Stage, topic: str) -> Told:
    """The broker kills itself with y in its log and no acknowledgement sent, and comes back."""
    broker = stage.broker
    broker.create_topic(topic)
    async with running_producer(
        stage.client, broker.bootstrap_servers, idempotent=True
    ) as producer:
        first = await producer.send(topic, "x")
        (x,) = await _frames(stage, topic, broker.records(topic))
        crash = broker.faults.crash(at="appended", topic=topic)
        producer.start_sending(topic, "y")
        await broker.ended()
        broker.forget_history()  # the frames below are those of the broker that came back
        broker.restart()
        second = await producer.acknowledged()
    log = broker.records(topic)
    noted = await verdicts(stage, topic)
    retry = (await _frames(stage, topic, log))[0]
    killed = replace(
        retry,
        before=x.after,
        fate=Fate.NEVER_SENT,
        answer="kill -9",
        words="the batch is in the log; then SIGKILL, before any acknowledgement has left",
    )
    return Told(
        (x, killed, replace(retry, before=log)),
        log,
        {
            "the broker was killed once, after the append": crash.fired == 1,
            "the log holds x, y": _values(log) == "xy",
            "the acknowledgements name offsets 0 and 1": [first, second] == [0, 1],
            "the restarted broker took nothing but retries": set(_words(noted)) == {"duplicate"},
        },
    )


SCENES = (
    Scene(
        "All is well",
        "The producer sends x, then y. The broker appends each and acknowledges it.",
        all_is_well,
        "Each record is there once. No record says who sent it: the PID column is empty.",
    ),
    Scene(
        "The acknowledgement is lost, and y is stored twice",
        "Idempotence is off. The broker has stored y when its acknowledgement is lost; to the "
        "producer that looks as if y had never arrived, so its library sends y again.",
        stored_twice,
        "y was sent once by the program and is stored twice: nothing in the second batch tells it "
        "from a new one.",
    ),
    Scene(
        "A PID and sequence numbers on every batch",
        "Idempotence is on. The producer has asked for a producer id (PID) and counts what it "
        "sends: one sequence for each partition.",
        numbered,
        "One PID for the session, and in each partition the sequence runs 0, 1, 2 on its own.",
    ),
    Scene(
        "The acknowledgement is lost, the retry is recognised",
        "Idempotence is on, and the same acknowledgement is lost as in picture 2.",
        recognised,
        "The retry carried the same PID, epoch and sequence, so it was answered with the first "
        "answer and not stored: y is there once.",
    ),
    Scene(
        "A gap is refused",
        "Batches made by hand, since no library sends this: sequence 2 comes before sequence 1.",
        gap_refused,
        "The batch behind the gap left nothing in the log; once the missing one had come, it was "
        "taken. Order is kept as well as number.",
    ),
    Scene(
        "A new session is a new producer",
        "Idempotence is on. The producer's process is killed (SIGKILL) when y is stored and not "
        "yet acknowledged. Its successor cannot know, and sends y again.",
        new_session,
        "y is there twice, by two PIDs: exactly once holds within one session of a producer, not "
        "across two.",
    ),
    Scene(
        "The producer dies, and goes on",
        "The same death, but the producer (of this project, the only one that can) keeps a durable "
        "session: what it sends is in a directory before it leaves. Its successor has the same "
        "directory.",
        goes_on,
        "y is there once, and the program goes on behind it: the session's mark says that x and y "
        "are in. Everything new has a new PID.",
    ),
    Scene(
        "The broker crashes in between",
        "Idempotence is on. The broker gets SIGKILL at the instant when y is in its log and no "
        "acknowledgement has left. It is started again, and the producer's library retries.",
        broker_crash,
        "The restarted broker has rebuilt its memory from its log and recognised the retry: y is "
        "there once.",
    ),
    *TRANSACTIONS,
)


async def _send(stage: Stage, topic: str, values: str, *, idempotent: bool) -> list[int]:
    """Send each letter as a record, one after the other; the offsets acknowledged."""
    servers = stage.broker.bootstrap_servers
    async with running_producer(stage.client, servers, idempotent=idempotent) as producer:
        return [await producer.send(topic, value) for value in values]


async def _frames(
    stage: Stage, topic: str, log: Sequence[Stored], refused_values: Sequence[str] = ()
) -> list[Frame]:
    """A frame for each Produce the broker has seen on the topic, from its notes and the log."""
    fates = [
        Fate.LOST if each.outcome == "answer lost" else Fate.DELIVERED
        for each in stage.broker.history()
        if each.api == "Produce" and each.about.startswith(f"{topic}-")
    ]
    refused = iter(refused_values)
    ends: dict[int, int] = {}
    frames = []
    for verdict, fate in zip(await verdicts(stage, topic), fates, strict=True):
        lies = [each for each in log if each.partition == verdict.partition]
        end = ends.get(verdict.partition, 0)
        after = max(end, verdict.base_offset + 1)
        ends[verdict.partition] = after
        is_refused = verdict.error_code != 0
        value = next(refused) if is_refused else _values(lies[verdict.base_offset :][:1])
        code = error_code(verdict.error_code)
        frames.append(
            Frame(
                value=value,
                partition=verdict.partition,
                producer_id=verdict.producer_id,
                sequence=verdict.first_sequence,
                before=lies[:end],
                after=lies[:after],
                answer=f"error {code.value}"
                if is_refused
                else f"ack, offset {verdict.base_offset}",
                fate=fate,
                words=verdict.reason,
            )
        )
    return frames


def _batch_by_hand(topic: str, value: str, producer_id: int, sequence: int) -> ProduceRequest:
    batch = build_batch(
        [(None, value.encode(), (), time.time_ns() // 1_000_000)],
        producer_id=producer_id,
        producer_epoch=0,
        base_sequence=sequence,
    )
    data = [PartitionProduceData(index=0, records=batch)]
    topic_data = [TopicProduceData(name=topic, partition_data=data)]
    return ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=topic_data)


def _values(log: Sequence[Stored]) -> str:
    return "".join((each.value or b"").decode() for each in log)


def _producer_ids(log: Sequence[Stored]) -> set[int]:
    return {each.producer_id for each in log}


def _words(noted: Sequence[ProduceVerdict]) -> list[str]:
    return [each.verdict for each in noted]
