"""EDGE: `make hostile MINUTES=30`: attacks at random on one broker, beside others at work.

An idempotent producer and a group of two go on from beginning to end. Now and then everything the
attackers have made is deleted, since what somebody stores is no leak. In the end everything they
wrote is there once and was read once, before a restart and after it, nobody has waited for longer
than HUNG_MS, and the broker's memory is within GROWTH_MB_MAX of what it was before the attacks; but
every message has been asked for once by then: it is compiled at that time, and stays.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from pathlib import Path
from random import Random

from minibroker.broker.apis.served import SERVED
from minibroker.broker.limits import GIVEN_BACK_EVERY_S, LONG_FRAME_BYTES
from minibroker.client.cluster.connection import Connection
from minibroker.protocol.messages.delete_groups import DeleteGroupsRequest
from minibroker.protocol.messages.delete_topics import DeleteTopicsRequest
from minibroker.protocol.messages.list_groups import ListGroupsRequest
from minibroker.protocol.messages.metadata import MetadataRequest

from tests.fuzz.bystander import TOPIC, Bystander, Witness
from tests.hostile.attacker import ATTACKS
from tests.hostile.drawn import Shape, request_of
from tests.hostile.group import GROUP, Group
from tests.hostile.judge import DEADLINE_S, OWN_FAULTS, Attackers
from tests.hostile.peer import API_VERSIONS, Peer, frame
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.figures import Figures, quantile
from tests.support.processes.observed import Memory, ObservedBroker
from tests.support.processes.vitals import vitals
from tests.support.records.stored import broken_promises, create_topic

GROWTH_MB_MAX = 30.0
HUNG_MS = 5_000.0
QUIET_S = 5.0
SETTLE_S = GIVEN_BACK_EVERY_S + 3.0
DRAWN_S = (3.0, 10.0)
SIZES = (0.02, 0.3)
SIZE_MAX = 250_000
SWEEP_S = 30.0
NAMES_A_REQUEST = 500
KEPT = {TOPIC, "__consumer_offsets"}
REQUESTS_MAX = 10**9
LAST_ID = b"last"
LAST = frame(API_VERSIONS, 0, b"", correlation=int.from_bytes(LAST_ID, "big"))


class Long:
    """One run, and what came of it."""

    def __init__(self, broker: BrokerProcess, seed: int, figures: Figures) -> None:
        self._broker = broker
        self._seed = seed
        self._rng = Random(seed)
        self._figures = figures
        self._attacks = 0
        self._drawn = 0
        self._scanned = 0
        self.peak_mb = 0.0

    def run(self, seconds: float, bystander: Bystander) -> None:
        """Attack until the time is over, or somebody was harmed."""
        end = time.monotonic() + seconds
        next_sweep = time.monotonic() + SWEEP_S
        while time.monotonic() < end and self._is_sound(bystander):
            self._attack()
            if time.monotonic() > next_sweep:
                sweep(self._broker.port)
                next_sweep = time.monotonic() + SWEEP_S
        self._figures.note("attacks", f"{self._attacks}, in {self._drawn} of them drawn requests")

    def _attack(self) -> None:
        """One attack of a few seconds; its name and arguments follow from the seed."""
        rng, self._attacks = self._rng, self._attacks + 1
        if rng.random() < 0.5:
            self._drawn += 1
            arguments = ["drawn", "{port}", str(self._seed), str(self._attacks * REQUESTS_MAX)]
            arguments += [str(REQUESTS_MAX), str(rng.uniform(*DRAWN_S)), str(SIZE_MAX)]
        else:
            arguments = ["named", "{port}", str(rng.uniform(*SIZES)), rng.choice(list(ATTACKS))]
        attackers = Attackers([each.format(port=self._broker.port) for each in arguments])
        until = time.monotonic() + DEADLINE_S
        while attackers.is_running and time.monotonic() < until and self._broker.is_running:
            threading.Event().wait(0.2)
            if self._broker.is_running:
                self.peak_mb = max(self.peak_mb, vitals(self._broker.pid).rss_kb / 1e3)
        what = " ".join(arguments)
        self._figures.demand(not attackers.is_running, f"no end within {DEADLINE_S:g} s: {what}")
        for told in attackers.finish():
            if "neglected" in told:
                self._figures.demand(False, f"{what}: {told['neglected']}")

    def _is_sound(self, bystander: Bystander) -> bool:
        said = self._broker.said_from(self._scanned)
        self._scanned += len(said)
        faults = [line for line in said.splitlines() if any(each in line for each in OWN_FAULTS)]
        for line in faults[:1]:
            text = line.decode(errors="replace")[:500]
            self._figures.demand(False, f"after attack {self._attacks}, a fault of its own: {text}")
        self._figures.demand(self._broker.is_running, "the broker died")
        return self._broker.is_running and not faults and not bystander.has_ended


def run_long(minutes: float, seed: int) -> int:
    """See the file's docstring; returns the exit code."""
    figures = Figures(f"make hostile MINUTES={minutes:g} SEED={seed}")
    with (
        tempfile.TemporaryDirectory() as directory,
        ObservedBroker(data_dir=Path(directory) / "data", durability="page-cache") as broker,
    ):
        create_topic(broker.port, TOPIC)
        ask_everything(broker.port)
        sweep(broker.port)
        bystander, group = Bystander(broker.port), Group(broker.port)
        threading.Event().wait(QUIET_S)
        before_mb, held = vitals(broker.pid).rss_kb / 1e3, broker.memory()
        long = Long(broker, seed, figures)
        long.run(minutes * 60, bystander)
        witness = bystander.finish()
        if broker.is_running:
            _judge(figures, broker, group, witness)
            after_mb = vitals(broker.pid).rss_kb / 1e3
            sizes = [round(each, 1) for each in (before_mb, long.peak_mb, after_mb)]
            figures.note("broker RSS before, peak, after", tuple(sizes), "MB")
            growth = after_mb - before_mb
            _note_memory(figures, held, broker)
            figures.demand(growth <= GROWTH_MB_MAX, f"{growth:.0f} MB stay, {GROWTH_MB_MAX:g} may")
            broker.restart()
            _judge_log(figures, broker, witness, "after a restart")
    return figures.print()


def _note_memory(figures: Figures, before: Memory, broker: ObservedBroker) -> None:
    """What of the growth is held, and what is free and kept by the allocators."""
    after = broker.memory()
    for name, was, now in zip(Memory._fields, before, after, strict=True):
        figures.note(f"{name} before, after", (was, now), "kB")
    broker.memory(given_back=True)
    figures.note("RSS after what is free was given back", vitals(broker.pid).rss_kb, "kB")


def _judge(figures: Figures, broker: BrokerProcess, group: Group, witness: Witness) -> None:
    took = witness.latencies.get(0) or [0.0]
    text = ", ".join(f"p{part:g} {quantile(took, part / 100):.2f}" for part in (50, 99, 99.9))
    figures.note("good producer", f"{text}, max {max(took):.0f} ms of {len(took)}")
    figures.demand(max(took) <= HUNG_MS, f"the good producer waited {max(took):.0f} ms")
    figures.demand(not witness.failure, f"the good producer was disturbed: {witness.failure}")
    read = group.finish(len(witness.offsets))
    once = sorted(read.offsets) == sorted(witness.offsets)
    twice = len(read.offsets) - len(set(read.offsets))
    figures.note("group", f"{len(read.offsets)} records read, {twice} twice")
    figures.demand(once, f"the group did not read each record once: {read.errors[:3]}")
    sweep(broker.port)
    _judge_log(figures, broker, witness, "at the end")
    threading.Event().wait(SETTLE_S)


def _judge_log(figures: Figures, broker: BrokerProcess, witness: Witness, when: str) -> None:
    found = broken_promises(broker.port, TOPIC, witness.sent())
    figures.demand(not found, f"{when} the log is not what the producer was promised: {found}")


def ask_everything(port: int) -> None:
    """Every version of every request that is served, once as a short one and once as a long one."""
    for size in (100, LONG_FRAME_BYTES * 2):
        shape = Shape(size=size, fill_depth=0, long_texts=0, bounds=False, distinct=False)
        for api in SERVED.values():
            for version in range(api.versions[0], api.versions[1] + 1):
                rng = Random(f"{api.key} {version}")
                asked = request_of(rng, api, version, shape, 0)
                with Peer(port) as peer:
                    answer = b"" if peer.send(asked.frame + LAST) else None
                    while answer is not None and answer[:4] != LAST_ID:
                        answer = peer.answer(asked.name)  # None: the broker has hung up


def sweep(port: int) -> None:
    """Delete all topics and groups but those of the good ones."""

    async def work() -> None:
        connection = await Connection.open("127.0.0.1", port)
        listed = await connection.request(MetadataRequest(topics=None))
        names = [each.name for each in listed.topics if each.name not in KEPT]
        for begin in range(0, len(names), NAMES_A_REQUEST):
            some = names[begin : begin + NAMES_A_REQUEST]
            gone = DeleteTopicsRequest(topic_names=some, timeout_ms=30_000)
            await connection.request(gone, version=5)
        groups = [each.group_id for each in (await connection.request(ListGroupsRequest())).groups]
        others = [each for each in groups if each != GROUP]
        await connection.request(DeleteGroupsRequest(groups_names=others))
        await connection.close()

    asyncio.run(work())
