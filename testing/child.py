"""EDGE: the processes behind ChildBroker: a nursery that forks brokers, and what a broker answers.

    nursery   python -m minibroker.testing.child SOCKET: forks a broker for each order (forking.py)
    broker    a TestBroker with a real SIGKILL, and a control socket in its directory

An order is a line of JSON; the connection it came by stays open between the test and the broker:
whoever is left alone ends. On the control socket each connection carries one call, a line of JSON
each way. Both ends are this package: no other process is meant to speak this.
Tests: tests/system/testing/test_child_broker.py
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..broker.cluster.acls import Acl
from ..broker.faults.forms import rule_of
from ..broker.faults.rules import ArmedRule
from ..broker.log_lines import formatter
from .child_wire import (
    CONTROL,
    LAST_WORDS,
    LINE_BYTES_MAX,
    STDERR,
    Call,
    line,
    plain_exchange,
    plain_record,
)
from .forking import run_nursery
from .in_process import LocalFault, TestBroker

if TYPE_CHECKING:
    from .security.broker_security import Prepared


class ChildSide:
    """A broker and the calls it answers.

    Args:
        order: directory, settings, durability, data_dir, port, and the faults to begin with.
    """

    def __init__(self, order: Call) -> None:
        self._directory = Path(order["directory"])
        self._faults: dict[int, LocalFault] = {}
        self._stop = asyncio.Event()
        self.broker = TestBroker(
            data_dir=Path(order["data_dir"]),
            durability=order["durability"],
            settings=order["settings"],
            port=order["port"],
            die=self._die,
            security=_prepared(order),
        )
        for each in order["faults"]:
            self.arm(each)

    async def run(self, lifeline: socket.socket) -> None:
        """Serve until told to stop, or until the test has gone."""
        loop = asyncio.get_running_loop()
        try:
            await self.broker.start()
        except Exception as error:  # noqa: BLE001  told to the test, whatever it is
            await loop.sock_sendall(lifeline, line({"error": f"{type(error).__name__}: {error}"}))
            return
        control = self._directory / CONTROL
        control.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, control, limit=LINE_BYTES_MAX)
        await loop.sock_sendall(lifeline, line({"port": self.broker.port}))
        gone = loop.create_task(loop.sock_recv(lifeline, 1))
        stopped = loop.create_task(self._stop.wait())
        ended = loop.create_task(self.broker.ended(timeout_s=None))
        await asyncio.wait((gone, stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, stopped, ended):
            task.cancel()
        server.close()
        self._leave_word()
        await self.broker.stop()

    def arm(self, call: Call) -> None:
        """Arm a rule, with what it has counted before."""
        fault = self.broker.faults.arm(rule_of(call["form"]))
        fault.armed_rule.matched = call["matched"]
        fault.armed_rule.fired = call["fired"]
        self._faults[call["id"]] = fault
        # 1. a rule with times=1 has fired   2. somebody kills this process   3. the next one is
        # armed with what was counted: without a word at each firing it would fire again.
        fault.armed_rule.on_fired = self._leave_counts

    def counts(self) -> dict[int, tuple[int, int]]:
        """How often each rule has matched and fired."""
        return {number: (each.matched, each.fired) for number, each in self._faults.items()}

    def history(self) -> list[Any]:
        """The newest requests and what became of them."""
        if not self.broker.is_running:
            return []
        return [plain_exchange(each) for each in self.broker.history()]

    async def answer(self, call: Call) -> Any:
        """What a call is answered with."""
        broker = self.broker
        match call["do"]:
            case "arm":
                self.arm(call)
            case "disarm":
                self._faults[call["id"]].release()
            case "clear":
                broker.faults.clear()
                self._faults.clear()
            case "counts":
                return self.counts()
            case "until fired":
                fault = self._faults[call["id"]]
                await fault.until_fired(call["times"], timeout_s=call["timeout_s"])
            case "until stored":
                topic, count = call["topic"], call["count"]
                await broker.consume(topic, count, timeout_s=call["timeout_s"])
            case "change password":
                broker.change_password(call["user"], call["password"])
            case "user":
                rules = [Acl(*each) for each in call["rules"]]
                broker.let(call["user"], call["password"], rules)
            case "create topic":
                broker.create_topic(call["topic"], call["partitions"])
            case "records":
                return [plain_record(record) for record in broker.records(call["topic"])]
            case "history":
                return self.history()
            case "forget history":
                broker.forget_history()
            case "leave word":
                self._leave_word()
            case "stop":
                self._stop.set()
        return None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            call = json.loads(await reader.readline())
            try:
                reply = {"value": await self.answer(call)}
            except TimeoutError:
                reply = {"timeout": True}
            except LookupError as error:
                reply = {"missing": str(error)}
            except Exception as error:  # noqa: BLE001  told to the test, whatever it is
                reply = {"error": f"{type(error).__name__}: {error}"}
            writer.write(line(reply))
            await writer.drain()
        except (OSError, ValueError):
            return  # the test did not wait
        finally:
            writer.close()

    def _leave_word(self) -> None:
        self._write_words(self.history())

    def _leave_counts(self) -> None:
        """At each firing: the history would take too long, and is lost if others kill this."""
        self._write_words([])

    def _write_words(self, history: list[Any]) -> None:
        words = json.dumps({"counts": self.counts(), "history": history})
        written = self._directory / f"{LAST_WORDS}.tmp"
        written.write_text(words, encoding="utf-8")
        written.replace(self._directory / LAST_WORDS)  # whole or not at all

    def _die(self, armed: ArmedRule) -> None:
        self._leave_word()
        os.kill(os.getpid(), signal.SIGKILL)


def _prepared(order: Call) -> Prepared | None:
    if "protocol" not in order:
        return None
    from .security.broker_security import Prepared

    return Prepared(order["protocol"], order["users"])


def _be_broker(order: Call, lifeline: socket.socket) -> None:
    """What a forked process does for the rest of its life."""
    stderr = os.open(
        Path(order["directory"]) / STDERR, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
    )
    os.dup2(stderr, 2)
    os.dup2(stderr, 1)
    handler = logging.StreamHandler(sys.stderr)  # what the plugin quotes in reports
    handler.setFormatter(formatter("text"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    lifeline.setblocking(False)
    main = partial(_main, order, lifeline)
    factory = _loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


async def _main(order: Call, lifeline: socket.socket) -> None:
    await ChildSide(order).run(lifeline)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _preload() -> None:
    """Import now what brokers would import at their first request."""
    from ..broker.apis.served import SERVED
    from ..protocol.apis import request_type

    for api in SERVED.values():
        request_type(api.key)
    _loop_factory()


if __name__ == "__main__":
    run_nursery(sys.argv[1], _be_broker, _preload)
