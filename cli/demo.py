"""EDGE: `minibroker demo`: lost acknowledgements, seen from the log.

A broker in a process of its own, an unmodified producer in another, and between them the fault
proxy, which loses every third acknowledgement after the broker has stored the batch. Once without
idempotence, once with it; half-way through the second run the broker is also killed with SIGKILL,
at the worst moment: a batch is stored and its acknowledgement lost, so that the retry meets what
the restarted broker has rebuilt from its log. Then both logs are read back from the broker and
shown (demo_report.py).
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from ..broker.faults import LoseReply, Rule
from ..client.network import Connection, ConnectionFailed
from ..testing.proxy import Proxy
from ..testing.stored import ReadFailed, stored_records
from .demo_broker import DemoBroker, DemoFailed
from .demo_report import Run, show, verdict

SUMMARY = "lose acknowledgements on purpose and count what was stored"
LINES = 30
LOSE_EVERY = 3
RUN_TIMEOUT_S = 60.0

# By the value of --client: (the package it needs, the module that sends lines with it).
CLIENTS = {
    "ours": ("minibroker", "minibroker.cli.demo_ours"),
    "kafka-python": ("kafka", "minibroker.cli.demo_kafka_python"),
}


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


def run(args: Namespace) -> int:
    """Run both halves and show what was stored; 0 if it is what exactly-once promises."""
    package, module = CLIENTS[args.client]
    if find_spec(package) is None:
        print(
            f"minibroker demo needs {args.client}: pip install 'minibroker[demo]'", file=sys.stderr
        )
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves no broker behind either
    try:
        runs = asyncio.run(_both_runs(args.client, module))
    except (DemoFailed, ReadFailed, ConnectionFailed) as error:
        print(f"minibroker demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("minibroker demo: interrupted", file=sys.stderr)
        return 1
    show(runs, args.client)
    return 0 if verdict(runs).holds else 1


def lines_to_send() -> list[str]:
    """The first lines of the license that say something, numbered so that no two are equal."""
    text = distribution("minibroker").read_text("licenses/LICENSE") or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or _STAND_IN
    return [f"{number:02} {line}" for number, line in enumerate(lines[:LINES], 1)]


async def _both_runs(client: str, module: str) -> tuple[Run, Run]:
    lines = lines_to_send()
    runs = []
    with tempfile.TemporaryDirectory(prefix="minibroker-demo-") as directory:
        broker = DemoBroker(Path(directory))
        try:
            await broker.start()
            for half in HALVES:
                _say(f"{client} sends {len(lines)} lines, enable_idempotence={half.idempotent}")
                runs.append(await _run_once(broker, module, half, lines))
        except* DemoFailed as failed:
            raise DemoFailed(f"{failed.exceptions[0]}\nThe broker's log:\n{broker.said}") from None
        finally:
            await broker.stop()
    plain, exact = runs
    return plain, exact


async def _run_once(broker: DemoBroker, module: str, half: Half, lines: list[str]) -> Run:
    losing = Rule(action=LoseReply(), api="Produce", every=LOSE_EVERY)
    async with Proxy(f"127.0.0.1:{broker.port}", [losing]) as proxy:
        task = {
            "bootstrap_servers": proxy.bootstrap_servers,
            "topic": half.topic,
            "idempotent": half.idempotent,
            "lines": lines,
        }
        try:
            async with asyncio.timeout(RUN_TIMEOUT_S), asyncio.TaskGroup() as group:
                group.create_task(_send_all(module, task))
                if half.kill_at_loss is not None:
                    group.create_task(_kill_at_loss(broker, proxy, half.kill_at_loss))
        except TimeoutError:
            raise DemoFailed(f"the producer was not done after {RUN_TIMEOUT_S:.0f} s") from None
        lost, sent = proxy.rules[0].fired, proxy.requests["Produce"]
    connection = await Connection.open("127.0.0.1", broker.port)
    try:
        stored = await stored_records(connection, half.topic)
    finally:
        await connection.close()
    return Run(lines=lines, stored=stored, lost=lost, sent=sent, killed_at_loss=half.kill_at_loss)


async def _kill_at_loss(broker: DemoBroker, proxy: Proxy, loss: int) -> None:
    """Kill the broker when so many acknowledgements have been lost, and start it again."""
    await proxy.wait_fired(proxy.rules[0], loss)
    _say(f"    kill -9 {broker.pid} right after lost acknowledgement {loss}, and start it again")
    await broker.kill()
    await broker.start()


async def _send_all(module: str, task: dict[str, object]) -> None:
    """Run the producer to its end. Raises DemoFailed with what it wrote to standard error."""
    producer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=PIPE, stdout=DEVNULL, stderr=PIPE
    )
    try:
        _, errors = await producer.communicate(json.dumps(task).encode())
    finally:
        if producer.returncode is None:
            producer.kill()
            await producer.wait()
    if producer.returncode:
        raise DemoFailed(f"the producer failed:\n{errors.decode(errors='replace')}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
