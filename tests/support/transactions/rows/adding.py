"""AddPartitionsToTxn and AddOffsetsToTxn: what a transaction takes in, and what it is told."""

from __future__ import annotations

from minibroker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)

from tests.support.transactions.differences import SILENT, Ours
from tests.support.transactions.producer import Producer, Where, shown_codes
from tests.support.transactions.stage import Stage, maybe_busy

NOBODY = "a transactional id that nobody has"
FENCED = {0: "47", 1: "47", 2: "90", 3: "90", 4: "90"}  # by version


async def partitions(stage: Stage) -> None:
    """v0 to v3, by clients."""
    row = stage.row
    await stage.topic(3)
    for v in range(4):
        a = await stage.ready()
        fenced = FENCED[v]
        await row(f"v{v}: one", a.add(0, v=v), "0")
        await row("again", a.add(0, v=v), "0")
        await row("with another", a.add(0, 1, v=v), "0 0")
        mixed = a.add("nope-0", "A-9", "A-2", "A-0", v=v)
        await row("unknown ones among them", mixed, "3 3 55 55")
        internal = a.add("__consumer_offsets-0", v=v)
        await row("of committed offsets", internal, "29")
        await row("of transactions", a.add("__transaction_state-0", v=v), "29")
        await row("a wrong id", a.add(2, v=v, pid=a.ids["p"] + 777), "49")
        await row("an unknown transactional id", a.add(1, 2, v=v, name=NOBODY), "49 49")
        await row("an empty one", a.add(2, v=v, name=""), "42")
        await row("a future epoch", a.add(2, v=v, epoch=5), fenced)
        await row("epoch -1", a.add(2, v=v, epoch=-1), fenced)
        await row("no topics", a.add(v=v), "")
        await row("a topic without partitions", _no_partitions(stage, a, v), "")
        await row("state", a.state(), "Ongoing p 0 A-0 A-1")
        await row("one twice: answered twice", _twice(stage, a, v, 2), "0 0")
        await row("in a topic that is named twice", _twice(stage, a, v, 1), "0 0")
        await row("state", a.state(), "Ongoing p 0 A-0 A-1 A-2")
        await row("EndTxn v4", a.commit(), "0")
        await row("at once after it", stage.settled(a.add, 0, v=v), maybe_busy("0"))
        await row("a new session", stage.settled(a.init), "51.. 0 p 2")
        await row("an old epoch", a.add(2, v=v, epoch=1), fenced)
        await row("only unknown topics", a.add("nope-0", "neither-1", v=v, epoch=2), "3 3")
        await row("state", a.state(), "Empty p 2")
    await row("each marker, though nothing was written", stage.readers.log(2), _markers())


def _markers() -> str:
    each = [f"{i}:COMMIT.{who}0" for i, who in enumerate("abcd")]
    return " ".join(each)


async def _no_partitions(stage: Stage, a: Producer, v: int) -> str:
    topic, _ = stage.part(0)
    return await _asked(stage, a, v, [AddPartitionsToTxnTopic(name=topic, partitions=[])])


async def _twice(stage: Stage, a: Producer, v: int, at_a_time: int) -> str:
    topic, index = stage.part(2)
    named = AddPartitionsToTxnTopic(name=topic, partitions=[index] * at_a_time)
    return await _asked(stage, a, v, [named] * (2 // at_a_time))


async def _asked(stage: Stage, a: Producer, v: int, topics: list[AddPartitionsToTxnTopic]) -> str:
    request = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=a.name,
        v3_and_below_producer_id=a.id("p"),
        v3_and_below_producer_epoch=0,
        v3_and_below_topics=topics,
    )
    answer = await stage.ask(request, v)
    return " ".join(
        str(each.partition_error_code)
        for topic in answer.results_by_topic_v3_and_below
        for each in topic.results_by_partition
    )


async def by_brokers(stage: Stage) -> None:
    """v4 and v5, many transactions in one request."""
    row = stage.row
    await stage.topic(3)
    for v in (4, 5):
        a = await stage.ready()
        verified = await _batch(stage, v, (a, (1,), True))
        await row(f"v{v}: verify, nothing added", verified, "120")
        await row("add", _batch(stage, v, (a, (0, 1), False)), "0 0")
        await row("verify", _batch(stage, v, (a, (1, 0), True)), "0 0")
        await row("verify another", _batch(stage, v, (a, (0, 2), True)), "0 120")
        await row("state", a.state(), "Ongoing p 0 A-0 A-1")
        unknown = stage.producer()
        unknown.ids["p"] = 4242
        for is_look in (True, False):
            both = _batch(stage, v, (a, ("A-2", "nope-0"), is_look), (unknown, (0, 1), is_look))
            await row("an unknown topic; an unknown transactional id", both, "55 3 | 49 49")
            wrong = _batch(stage, v, (a, (0,), is_look), pid=a.ids["p"] + 777)
            await row("a wrong id", wrong, "49")
            await row("a future epoch", _batch(stage, v, (a, (0,), is_look), epoch=7), "90")
            await row("epoch -1", _batch(stage, v, (a, (0,), is_look), epoch=-1), "90")
        await row("state", a.state(), "Ongoing p 0 A-0 A-1")
        nothing = AddPartitionsToTxnRequest(transactions=[])
        answered = Ours("an answer", SILENT)
        await row("an empty list", stage.silence(nothing, v), "no answer", answered)


async def _batch(
    stage: Stage,
    v: int,
    *each: tuple[Producer, tuple[Where, ...], bool],
    pid: int | None = None,
    epoch: int = 0,
) -> str:
    """The codes of each transaction: (producer, partitions, whether only to verify)."""
    places = [[stage.part(part) for part in parts] for _, parts, _ in each]
    request = AddPartitionsToTxnRequest(
        transactions=[
            AddPartitionsToTxnTransaction(
                transactional_id=a.name,
                producer_id=a.id("p") if pid is None else pid,
                producer_epoch=epoch,
                verify_only=is_look,
                topics=[
                    AddPartitionsToTxnTopic(
                        name=topic, partitions=[i for name, i in its if name == topic]
                    )
                    for topic in dict.fromkeys(name for name, _ in its)
                ],
            )
            for (a, _, is_look), its in zip(each, places, strict=True)
        ]
    )
    answer = await stage.ask(request, v)
    found = {one.transactional_id: one.topic_results for one in answer.results_by_transaction}
    shown = [shown_codes(its, found[a.name]) for (a, _, _), its in zip(each, places, strict=True)]
    code = f"{answer.error_code} " if answer.error_code else ""
    return code + " | ".join(shown)


async def offsets(stage: Stage) -> None:
    """AddOffsetsToTxn."""
    row = stage.row
    for v in range(5):
        a = await stage.ready()
        await row(f"v{v}: a wrong id", a.add_offsets("g", v=v, pid=a.ids["p"] + 777), "49")
        await row("a future epoch", a.add_offsets("g", v=v, epoch=3), FENCED[v])
        await row("an unknown transactional id", a.add_offsets("g", v=v, name=NOBODY), "49")
        await row("an empty one", a.add_offsets("g", v=v, name=""), "42")
        await row("state", a.state(), "Empty p 0")
        await row("a group", a.add_offsets("g", v=v), "0")
        await row("again", a.add_offsets("g", v=v), "0")
        await row("state", a.state(), "Ongoing p 0 offsets(g)")
        await row("commit", a.commit(), "0")
        await row("a new session", stage.settled(a.init), maybe_busy("0 p 1"))
        await row("an old epoch", a.add_offsets("g", v=v), FENCED[v])


async def offsets_of_no_group(stage: Stage) -> None:
    """A group without a name has a partition, too."""
    a = await stage.ready()
    for v in range(5):
        await stage.row(f"v{v}", a.add_offsets("", v=v), "0")
    await stage.row("state", a.state(), "Ongoing p 0 offsets()")


SCENARIOS = (partitions, by_brokers, offsets, offsets_of_no_group)
