"""EDGE: an attack beside a good client: what that client felt, what the broker took, who was
neglected.

The good client writes one small record every five milliseconds, in a process of its own. How it
fares alone, just before, stands beside each figure: on a busy machine that is the measure.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from tests.fuzz.bystander import Bystander, Look
from tests.support.processes.commands import Command
from tests.support.processes.figures import quantile
from tests.support.processes.vitals import vitals

ATTACKER = "tests.hostile.attacker"
AFTER_S = 0.3
PEOPLE_S = 20.0  # for whoever comes after an attack
TURN_S = 0.05
DEADLINE_S = 90.0
OWN_FAULTS = (b"Traceback", b"level=ERROR", b"level=CRITICAL")
REASONS = (b"connection-closed", b"connection-refused")


class UnderAttack(Protocol):
    """What is attacked: a tests.support.processes.broker.BrokerProcess, or a real Kafka."""

    @property
    def port(self) -> int:
        """On 127.0.0.1."""

    @property
    def pid(self) -> int:
        """Of its process."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""

    def said_from(self, position: int) -> bytes:
        """Its log from a byte on."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is demanded, how long the good client is alone before, and what else is done."""

    worst_ms: float = 250.0
    p99_ms: float = 50.0
    growth_mb: float = 300.0
    quiet_s: float = 1.0
    looked_s: float = 2.0  # at least, so that a p99 is of some hundred waits
    log_is_ours: bool = True  # and is read for faults, and for why connections were closed
    meanwhile: Callable[[], None] | None = None  # called when the attack has begun


@dataclass(slots=True)
class Judgement:
    """What one attack came to. Times in ms."""

    name: str
    quiet_p99: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    worst: float = 0.0
    worst_at: float = 0.0  # when that one was sent, time.monotonic()
    grew_mb: float = 0.0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)  # by the attackers

    def demand(self, is_met: object, otherwise: str) -> None:
        """Note a fault unless something holds."""
        if not is_met:
            self.faults.append(otherwise)


BOUNDS = Bounds()


class Attackers:
    """The attackers' process."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._said: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by finish
        said = self._said.fileno()
        self._process = Command(*arguments, program=ATTACKER, stdout=said, stderr=said)

    @property
    def is_running(self) -> bool:
        """Whether they still attack."""
        return self._process.poll() is None

    def finish(self) -> list[dict[str, Any]]:
        """End them; what they have told. What is no JSON is a fault of their own."""
        with self._process:
            self._process.kill()
        self._said.seek(0)
        lines = self._said.read().splitlines()
        self._said.close()
        told: list[dict[str, Any]] = []
        for number, line in enumerate(lines):
            if not line.startswith("{"):
                told.append({"neglected": "the attacker failed: " + "\n".join(lines[number:])})
                break
            told.append(json.loads(line))
        return told


def judge(
    broker: UnderAttack, name: str, arguments: Sequence[str], bounds: Bounds = BOUNDS
) -> Judgement:
    """Let attackers loose on a running broker that has the good client's topic.

    Args:
        arguments: of tests.hostile.attacker, {port} standing for the broker's.
    """
    judged = Judgement(name)
    bystander = Bystander(broker.port)
    try:
        _attack(judged, bystander, broker, arguments, bounds)
    finally:
        bystander.kill()
    return judged


def _attack(
    judged: Judgement,
    bystander: Bystander,
    broker: UnderAttack,
    arguments: Sequence[str],
    bounds: Bounds,
) -> None:
    wait = threading.Event().wait
    wait(bounds.quiet_s)
    bystander.look()
    wait(bounds.quiet_s)
    quiet = [took for _, took in bystander.look().waits]
    judged.quiet_p99 = quantile(quiet or [0.0], 0.99)
    before_mb = peak_mb = vitals(broker.pid).rss_kb / 1e3
    position = len(broker.said_from(0))
    began = time.monotonic()
    attackers = Attackers([each.format(port=broker.port) for each in arguments])
    if bounds.meanwhile is not None:
        bounds.meanwhile()
    ends_at = began + bounds.looked_s
    while broker.is_running and (now := time.monotonic()) < began + DEADLINE_S:
        if attackers.is_running:
            ends_at = max(ends_at, now + AFTER_S)
            judged.seconds = now - began
        elif now >= ends_at:
            break
        wait(TURN_S)
        peak_mb = max(peak_mb, _rss_mb(broker))
    judged.demand(not attackers.is_running, f"the attack went on after {DEADLINE_S:g} s")
    judged.told = attackers.finish()
    judged.grew_mb = peak_mb - before_mb
    _judge_neglect(judged, broker, position, bounds)
    _judge_waits(judged, bystander, broker, bounds)
    judged.demand(
        judged.grew_mb <= bounds.growth_mb, f"{judged.grew_mb:.0f} MB more than when it was quiet"
    )


def _rss_mb(broker: UnderAttack) -> float:
    try:
        return vitals(broker.pid).rss_kb / 1e3
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _judge_neglect(judged: Judgement, broker: UnderAttack, position: int, bounds: Bounds) -> None:
    judged.faults += [each["neglected"] for each in judged.told if "neglected" in each]
    judged.demand(broker.is_running, "the broker died")
    if not bounds.log_is_ours:
        return
    said = broker.said_from(position)
    fault = next(
        (line for line in said.splitlines() if any(map(line.__contains__, OWN_FAULTS))), b""
    )
    judged.demand(not fault, f"a fault of its own: {fault.decode(errors='replace')[:300]}")
    if any(each.get("closed") for each in judged.told):
        has_reason = any(reason in said for reason in REASONS)
        judged.demand(has_reason, "connections were closed, and the log does not say why")


def _judge_waits(
    judged: Judgement, bystander: Bystander, broker: UnderAttack, bounds: Bounds
) -> None:
    """The good client's waits, the one under way as well; then whether newcomers are served."""
    look = bystander.look()
    until = time.monotonic() + PEOPLE_S
    while look.open_ms > bounds.worst_ms and time.monotonic() < until and broker.is_running:
        threading.Event().wait(TURN_S)
        more = bystander.look()
        look = Look(look.waits + more.waits, more.open_ms, more.failure)
    waits = [(took, at) for at, took in look.waits]
    if look.open_ms > bounds.worst_ms:
        waits.append((look.open_ms, time.monotonic() - look.open_ms / 1000))
    took_ms = [took for took, _ in waits] or [0.0]
    judged.p50, judged.p99 = quantile(took_ms, 0.5), quantile(took_ms, 0.99)
    judged.worst, judged.worst_at = max(waits, default=(0.0, 0.0))
    judged.demand(judged.p99 <= bounds.p99_ms, f"p99 {judged.p99:.0f} ms for the good client")
    judged.demand(judged.worst <= bounds.worst_ms, f"the good client waited {judged.worst:.0f} ms")
    judged.demand(not look.failure, f"the good client was disturbed: {look.failure}")
    if broker.is_running:
        judged.demand(_serves(broker.port), f"a newcomer was not served in {PEOPLE_S:g} s")


def _serves(port: int) -> bool:
    """Whether somebody who comes now is answered: ApiVersions version 0."""
    hello = bytes.fromhex("0000000a 0012 0000 00000001 ffff".replace(" ", ""))
    try:
        with socket.create_connection(("127.0.0.1", port), PEOPLE_S) as newcomer:
            newcomer.sendall(hello)
            return len(newcomer.recv(4)) > 0
    except OSError:
        return False
