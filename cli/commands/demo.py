"""EDGE: `minibroker demo`: lost acknowledgements, seen from the log.

A broker in a process of its own, an unmodified producer in another, and between them the fault
proxy, which loses every third acknowledgement after the broker has stored the batch. Once without
idempotence, once with it; half-way through the second run the broker is also killed with SIGKILL,
at the worst moment: a batch is stored and its acknowledgement lost, so that the retry meets what
the restarted broker has rebuilt from its log. Then both logs are read back from the broker and
shown (showing/demo_report.py).
Tests: tests/system/commands/test_story.py, tests/interop/commands/test_demo.py
"""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from ...broker.faults.rules import LoseReply, Rule
from ...console.lesson.producers.process import (
    CLIENTS,
    ProducerFailed,
    missing_library,
    running_producer,
)
from ...testing.child_broker import ChildBroker
from ...testing.child_wire import ChildBrokerError
from ...testing.nursery import NurseryFailed
from ...testing.proxy import Proxy
from ..showing.demo_report import Run, conclusion, show
from ..showing.story import tell
from ..showing.story_page import page
from ..showing.story_scenes import SCENES
from ..terminal.counts import parse_count

SUMMARY = "lose acknowledgements on purpose and count what was stored"
EXAMPLES = (
    "demo --client kafka-python",
    "demo --story --step",
    "demo --story --fast --html story.html",
)
LINES = 30
LOSE_EVERY = 3
RUN_TIMEOUT_S = 60.0
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Half:
    """What differs between the two runs.

    Attributes:
        kill_at_loss: after how many lost acknowledgements the broker is killed; None: never.
    """

    topic: str
    idempotent: bool
    kill_at_loss: int | None


# About LINES / 2 acknowledgements are lost, since answers to retries are lost as well.
HALVES = (Half("plain", False, None), Half("exact", True, LINES // 4))

# What is sent if the installed distribution carries no license text.
_STAND_IN = [f"line {number} of a text of no importance" for number in range(1, LINES + 1)]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--client",
        choices=CLIENTS,
        default="ours",
        help="the producer that is put to the test (default: %(default)s)",
    )
    parser.add_argument(
        "--story", action="store_true", help="exactly once in pictures, scene by scene"
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--fast", action="store_true", help="with --story: no pauses")
    pace.add_argument("--step", action="store_true", help="with --story: Enter goes on")
    parser.add_argument(
        "--picture",
        type=parse_count,
        metavar="N",
        help="with --story: only this picture (default: all)",
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="with --story: write this run as a page, too"
    )


def run(args: Namespace) -> int:
    """Run what was asked for; 0 if the logs are what exactly-once promises."""
    refused = _refused(args)
    if refused:
        print(f"minibroker demo: {refused}", file=sys.stderr)
        return 2
    missing = missing_library(args.client)
    if missing is not None:
        print(f"minibroker demo needs {missing}: pip install {missing}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves no broker behind either
    try:
        if args.story:
            return _tell(args)
        runs = asyncio.run(_both_runs(args.client))
    except BrokenPipeError:
        raise  # for main.py
    except (ProducerFailed, ChildBrokerError, NurseryFailed, OSError) as error:
        print(f"minibroker demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("minibroker demo: interrupted", file=sys.stderr)
        return INTERRUPTED
    show(runs, args.client)
    return 0 if conclusion(runs).holds else 1


def _tell(args: Namespace) -> int:
    """The story; 0 if everything was as told."""
    told = asyncio.run(
        tell(args.client, is_fast=args.fast, is_stepped=args.step, picture=args.picture)
    )
    if args.html is not None:
        args.html.write_text(page(told, args.client), encoding="utf-8")
        print(f"\nThe story of this run as a page: {args.html}")
    return int(any(each.untrue for each in told))


def _refused(args: Namespace) -> str:
    """What is wrong with the options together; nothing if they fit."""
    if not args.story:
        given = [name for name in ("fast", "step", "picture", "html") if getattr(args, name)]
        return f"--{given[0]} goes with --story" if given else ""
    if args.picture is not None and args.picture > len(SCENES):
        return f"--picture {args.picture}: the story has {len(SCENES)}"
    return ""


def lines_to_send() -> list[str]:
    """The first lines of the license that say something, numbered so that no two are equal."""
    text = distribution("minibroker").read_text("licenses/LICENSE") or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or _STAND_IN
    return [f"{number:02} {line}" for number, line in enumerate(lines[:LINES], 1)]


async def _both_runs(client: str) -> tuple[Run, Run]:
    lines = lines_to_send()
    runs = []
    async with ChildBroker(durability="fsync") as broker:
        for half in HALVES:
            broker.create_topic(half.topic)
            _say(f"{client} sends {len(lines)} lines, enable_idempotence={half.idempotent}")
            runs.append(await _run_once(broker, client, half, lines))
    plain, exact = runs
    return plain, exact


async def _run_once(broker: ChildBroker, client: str, half: Half, lines: list[str]) -> Run:
    losing = Rule(action=LoseReply(), api="Produce", every=LOSE_EVERY)
    async with Proxy(broker.bootstrap_servers, [losing]) as proxy:
        try:
            async with asyncio.timeout(RUN_TIMEOUT_S), asyncio.TaskGroup() as group:
                group.create_task(_send_all(client, proxy, half, lines))
                if half.kill_at_loss is not None:
                    group.create_task(_kill_at_loss(broker, proxy, half.kill_at_loss))
        except TimeoutError:
            raise ProducerFailed(f"the producer was not done after {RUN_TIMEOUT_S:.0f} s") from None
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        lost, sent = proxy.rules[0].fired, proxy.requests["Produce"]
    stored = broker.records(half.topic)
    return Run(lines=lines, stored=stored, lost=lost, sent=sent, killed_at_loss=half.kill_at_loss)


async def _kill_at_loss(broker: ChildBroker, proxy: Proxy, loss: int) -> None:
    """Kill the broker when so many acknowledgements have been lost, and start it again."""
    await proxy.wait_fired(proxy.rules[0], loss)
    _say(f"    kill -9 {broker.pid} right after lost acknowledgement {loss}, and start it again")
    broker.kill()
    broker.start()


async def _send_all(client: str, proxy: Proxy, half: Half, lines: Sequence[str]) -> None:
    servers = proxy.bootstrap_servers
    async with running_producer(client, servers, idempotent=half.idempotent) as producer:
        for line in lines:
            await producer.send(half.topic, line)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
