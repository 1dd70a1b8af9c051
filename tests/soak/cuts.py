"""EDGE: the fault proxy in a process of its own, cutting connections at random, from a seed."""

from __future__ import annotations

import asyncio
import multiprocessing
from itertools import count
from typing import Any

from minibroker.broker.faults.rules import (
    Action,
    Delay,
    Disconnect,
    Instant,
    LoseReply,
    Rule,
    TearReply,
)
from minibroker.testing.proxy import Proxy

START_WAIT_S = 20.0
_SPAWN = multiprocessing.get_context("spawn")


class Cuts:
    """A proxy at work from the start until `finish`."""

    def __init__(self, upstream: str, seed: int) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(upstream, seed, theirs), daemon=True)
        self._process.start()
        if not self._pipe.poll(START_WAIT_S):
            raise TimeoutError("the proxy did not start")
        self.bootstrap_servers: str = self._pipe.recv()

    def finish(self) -> dict[str, int]:
        """Stop it; returns how often each kind of fault was done, and the requests seen."""
        self._pipe.send("stop")
        counts: dict[str, int] = self._pipe.recv()
        self._process.join(START_WAIT_S)
        return counts


def rules(seed: int) -> dict[str, Rule]:
    """The faults, each with a chance of its own at every request."""
    seeds = (seed + number for number in count())

    def rule(action: Action, probability: float, api: str | None = None) -> Rule:
        at = Instant.REPLY if isinstance(action, Delay) else None
        return Rule(action=action, at=at, api=api, probability=probability, seed=next(seeds))

    return {
        "answers to Produce lost": rule(LoseReply(), 0.004, "Produce"),
        "answers lost": rule(LoseReply(), 0.001),
        "answers torn": rule(TearReply(bytes_sent=9), 0.002),
        "requests cut": rule(Disconnect(), 0.003),
        "answers late": rule(Delay(150), 0.001),
    }


def _run(upstream: str, seed: int, pipe: Any) -> None:
    asyncio.run(_serve(upstream, seed, pipe))


async def _serve(upstream: str, seed: int, pipe: Any) -> None:
    named = rules(seed)
    stop = asyncio.Event()
    async with Proxy(upstream, named.values()) as proxy:
        pipe.send(proxy.bootstrap_servers)
        asyncio.get_running_loop().add_reader(pipe.fileno(), stop.set)
        await stop.wait()
        asyncio.get_running_loop().remove_reader(pipe.fileno())
    counts = {name: armed.fired for name, armed in zip(named, proxy.rules, strict=True)}
    pipe.send({"requests": sum(proxy.requests.values()), **counts})
