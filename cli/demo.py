"""EDGE: `minibroker demo`: lost acknowledgements, seen from the log.

A broker in a process of its own, an unmodified producer in another, and between them the fault
proxy, which loses every third acknowledgement after the broker has stored the batch. Once without
idempotence, once with it; in the second run the broker is also killed with SIGKILL half-way and
started again. Then both logs are read back from the broker and shown (demo_report.py).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from asyncio.subprocess import PIPE
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from ..client.network import Connection
from ..testing.proxy import Proxy
from ..testing.proxy_rules import LoseReply, Rule
from ..testing.stored import stored_records
from .demo_broker import DemoBroker, DemoFailed
from .demo_report import Run, show, verdict

SUMMARY = "lose acknowledgements on purpose and count what was stored"
LINES = 30
LOSE_EVERY = 3
RUN_TIMEOUT_S = 60.0

# By the value of --client: (the package it needs, the module that sends lines with it).
CLIENTS = {"kafka-python": ("kafka", "minibroker.cli.demo_kafka_python")}

# What is sent if the installed distribution carries no license text.
_STAND_IN = [f"line {number} of a text of no importance" for number in range(1, LINES + 1)]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--client",
        choices=CLIENTS,
        default="kafka-python",
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
    try:
        runs = asyncio.run(_both_runs(args.client, module))
    except DemoFailed as error:
        print(f"minibroker demo: {error}", file=sys.stderr)
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
    with tempfile.TemporaryDirectory(prefix="minibroker-demo-") as directory:
        broker = DemoBroker(Path(directory))
        try:
            await broker.start()
            _say(f"1/2 {client} sends {len(lines)} lines, enable_idempotence=False")
            plain = await _one_run(broker, module, "plain", lines, kill_after=None)
            _say(f"2/2 {client} sends {len(lines)} lines, enable_idempotence=True")
            exact = await _one_run(broker, module, "exact", lines, kill_after=len(lines) // 2)
        finally:
            await broker.stop()
    return plain, exact


async def _one_run(
    broker: DemoBroker, module: str, topic: str, lines: list[str], *, kill_after: int | None
) -> Run:
    rule = Rule(action=LoseReply(), api="Produce", every=LOSE_EVERY)
    async with Proxy(f"127.0.0.1:{broker.port}", [rule]) as proxy:
        task = {
            "bootstrap_servers": proxy.bootstrap_servers,
            "topic": topic,
            "idempotent": topic == "exact",
            "lines": lines,
        }
        try:
            async with asyncio.timeout(RUN_TIMEOUT_S):
                await _send_all(broker, module, task, kill_after)
        except TimeoutError:
            raise DemoFailed(f"the producer was not done after {RUN_TIMEOUT_S:.0f} s") from None
        lost, sent = proxy.rules[0].fired, proxy.requests["Produce"]
    connection = await Connection.open("127.0.0.1", broker.port)
    try:
        stored = await stored_records(connection, topic)
    finally:
        await connection.close()
    return Run(lines=lines, stored=stored, lost=lost, sent=sent, killed_after=kill_after)


async def _send_all(
    broker: DemoBroker, module: str, task: dict[str, object], kill_after: int | None
) -> None:
    """Run the producer to its end; kill and restart the broker on the way if so wanted."""
    producer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert producer.stdin is not None
    assert producer.stdout is not None
    assert producer.stderr is not None
    try:
        errors = asyncio.create_task(producer.stderr.read())
        producer.stdin.write(json.dumps(task).encode())
        producer.stdin.close()
        acknowledged = 0
        while await producer.stdout.readline():
            acknowledged += 1
            if acknowledged == kill_after:
                _say(f"    kill -9 {broker.pid} after line {acknowledged}, and start it again")
                await broker.kill()
                await broker.start()
        if await producer.wait():
            raise DemoFailed(f"the producer failed:\n{(await errors).decode(errors='replace')}")
    finally:
        if producer.returncode is None:
            producer.kill()
            await producer.wait()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
