"""EDGE: ChildBroker, a broker in a child process, beside any client, blocking or not.

    with ChildBroker() as broker:              # or: async with
        lost = broker.faults.lose_reply("Produce", topic="orders", nth=2)
        ...                                    # any client, at broker.bootstrap_servers
        broker.assert_stored_once("orders", [b"a", b"b"])
        broker.kill();  broker.restart()       # a real SIGKILL; same port, same data

Its calls are short and block; waits have a blocking form (`wait_…`) and an awaitable one.
The child ends when this process does. Its side is child.py, forked by nursery.py.
Tests: tests/system/testing/test_child_broker.py
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .assertions import Assertions
from .child_wire import (
    CONTROL,
    LAST_WORDS,
    LINE_BYTES_MAX,
    STDERR,
    Call,
    ChildBrokerError,
    exchange_of,
    line,
    record_of,
)
from .fault_control import WAIT_S
from .nursery import Nursery, nursery
from .remote_faults import GRACE_S, RemoteFaults
from .settings import Setting, setting_texts

if TYPE_CHECKING:
    from ..broker.faults.exchanges import Exchange
    from ..client.partitions import RecordMetadata
    from .security.broker_security import BrokerSecurity
    from .stored import Stored

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
CALL_TIMEOUT_S = 15.0
QUOTED_BYTES = 4_000
DYING_S = 2.0  # between a child's last answer and its end
HISTORY_MAX = 10_000  # exchanges kept of children that have ended
TEST_CLIENT = "minibroker-testing"  # the client id of produce()


class ChildBroker(Assertions):
    """A broker in a child process; its port, data and faults outlive restarts.

    Args:
        data_dir: where its log lies; None takes a temporary directory, removed by `close`.
        durability: what an acknowledgement means. "page-cache" survives `kill` and is quick.
        settings: Kafka broker properties; numbers and booleans are taken as they are meant.
        nest: what forks the child; by default one process for all brokers of this process.
        security: "SSL", "SASL_PLAINTEXT", "SASL_SSL" or a BrokerSecurity (security/).
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        durability: str = "page-cache",
        settings: Mapping[str, Setting] | None = None,
        nest: Nursery | None = None,
        security: str | BrokerSecurity | None = None,
    ) -> None:
        self.port = 0
        self.pid = 0
        self._topics_made = 0
        self.faults = RemoteFaults(self)
        self._directory = Path(tempfile.mkdtemp(prefix="minibroker-"))
        self._clean = weakref.finalize(self, shutil.rmtree, self._directory, ignore_errors=True)
        self._data_dir = data_dir or self._directory / "data"
        self._durability = durability
        self._security = _security_of(security)
        secured = {} if self._security is None else self._security.prepared.settings
        self._settings = {**secured, **setting_texts(settings or {})}
        self._nest = nest or nursery()
        self._lifeline: socket.socket | None = None
        self._starting = threading.RLock()  # crash(then="restart") starts it from a thread
        self._past: list[Exchange] = []  # of children that have ended
        self._logged_from = 0

    def __repr__(self) -> str:
        state = f"at {self.bootstrap_servers}, pid {self.pid}" if self.is_running else "not running"
        return f"<ChildBroker {state}, durability={self._durability}>"

    @property
    def bootstrap_servers(self) -> str:
        """HOST:PORT for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def security(self) -> BrokerSecurity:
        """Options for clients, certificates and users. Raises RuntimeError: there is none."""
        if self._security is None:
            raise RuntimeError("the broker was made without security")
        return self._security

    def change_password(self, user: str, password: str) -> None:
        """Give a user another password, for SCRAM; whoever is logged in stays so."""
        self.call({"do": "change password", "user": user, "password": password})

    def user(
        self, name: str, *, allow: Iterable[str] = (), deny: Iterable[str] = ()
    ) -> dict[str, Any]:
        """A user that logs in by SCRAM and may do this and nothing else.

        Asked for again, it has these rights in place of those it had, on open connections, too.

        Args:
            allow, deny: "WRITE topic orders", "READ group audit-*", "DESCRIBE cluster".

        Returns: options for our clients and kafka-python; for others see `security`.

        Raises:
            ValueError: the words mean nothing, or nobody logs in here.
        """
        from .security.user_rights import rules_of

        rules, password = rules_of(name, allow, deny), self.security.add_user(name)
        self.call({"do": "user", "user": name, "password": password, "rules": rules})
        return self.security.options(user=name)

    @property
    def is_running(self) -> bool:
        """Whether the child lives: neither stopped nor killed, by us, itself or others."""
        lifeline = self._lifeline
        if lifeline is None:
            return False
        try:
            lifeline.setblocking(False)
            is_gone = lifeline.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return True
        except OSError:
            is_gone = True
        if is_gone:
            self._let_go()
        return not is_gone

    @property
    def said(self) -> str:
        """The end of what the broker has written to standard error, over all starts."""
        file = self._directory / STDERR
        text = file.read_text(errors="replace") if file.exists() else ""
        return text[-QUOTED_BYTES:]

    @property
    def logged(self) -> str:
        """What the broker has written to standard error since `forget_history`."""
        file = self._directory / STDERR
        data = file.read_bytes() if file.exists() else b""
        return data[self._logged_from :].decode(errors="replace")

    def start(self) -> None:
        """Start it; clients are answered once this returns. Raises ChildBrokerError."""
        with self._starting:
            assert self._lifeline is None, "it runs already"
            self._remember()
            self._start()

    def ensure_running(self) -> None:
        """Start it unless it runs. Raises ChildBrokerError."""
        with self._starting:
            if not self.is_running:
                self.start()

    def _remember(self) -> None:
        """Take over what a child has left: a rule that has acted in it will not act anew."""
        self.faults.refresh()
        self._past = self._history_so_far()[-HISTORY_MAX:]
        (self._directory / LAST_WORDS).unlink(missing_ok=True)

    def _start(self) -> None:
        order = {
            "directory": str(self._directory),
            "data_dir": str(self._data_dir),
            "durability": self._durability,
            "settings": self._settings,
            "port": self.port,
            "faults": self.faults.orders(),
        }
        if self._security is not None:
            order["protocol"] = self._security.protocol
            order["users"] = self._security.users
        lifeline = self._nest.fork(order)
        try:
            self.pid = _read_line(lifeline, START_TIMEOUT_S)["pid"]
            started = _read_line(lifeline, START_TIMEOUT_S)
        except (OSError, ValueError) as error:
            lifeline.close()
            raise ChildBrokerError(f"the broker did not start: {error}\n{self.said}") from None
        if "error" in started:
            lifeline.close()
            raise ChildBrokerError(f"the broker did not start: {started['error']}\n{self.said}")
        self.port = started["port"]
        self._lifeline = lifeline

    def stop(self) -> None:
        """Stop it cleanly; does nothing if it does not run. Raises ChildBrokerError."""
        if self.is_running:
            with contextlib.suppress(ChildBrokerError):  # it ended first
                self.call({"do": "stop"})
            self._await_end(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        if self.is_running:
            self.tell({"do": "leave word"})
            os.kill(self.pid, signal.SIGKILL)
            self._await_end(STOP_TIMEOUT_S)

    def restart(self) -> None:
        """Stop it, if it runs, and start it again: same port, same data, same faults."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it and remove its temporary directory; it cannot be used again."""
        try:
            self.faults.clear()
            self.stop()
        finally:
            self._clean()

    def wait_ended(self, *, timeout_s: float = WAIT_S) -> None:
        """Return once the process is gone, by a crash or otherwise. Raises TimeoutError."""
        if self._lifeline is not None:
            self._await_end(timeout_s)

    async def ended(self, *, timeout_s: float = WAIT_S) -> None:
        """Return once the process is gone, by a crash or otherwise. Raises TimeoutError."""
        if self._lifeline is not None:
            await asyncio.to_thread(self._await_end, timeout_s)

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic. Raises ChildBrokerError if that is refused."""
        self.call({"do": "create topic", "topic": topic, "partitions": partitions})

    def create_new_topic(self, name: str) -> str:
        """Create a topic of one partition with a name like this that is not taken; the name."""
        self._topics_made += 1
        topic = f"{name}-{self._topics_made}"
        self.create_topic(topic)
        return topic

    def produce(
        self,
        topic: str,
        *values: bytes | None,
        key: bytes | None = None,
        partition: int | None = None,
    ) -> list[RecordMetadata]:
        """Store values through an idempotent producer of ours; the topic is created if need be.

        Args:
            key: of each of them.
            partition: by default that of the key, or whichever.

        Returns: their receipts.

        Raises: ClientError.
        """
        from ..client.blocking import Producer

        security = {} if self._security is None else self._security.options(is_known=True)
        with Producer(self.bootstrap_servers, client_id=TEST_CLIENT, **security) as producer:
            keys = None if key is None else [key] * len(values)
            return [*producer.send_many(topic, values, keys, partition=partition)]

    def consume(self, topic: str, count: int = 1, *, timeout_s: float = WAIT_S) -> list[Stored]:
        """Every record of a topic, once there are `count` at least; it may not exist yet.

        Raises: TimeoutError.
        """
        self.wait_stored(topic, count, timeout_s=timeout_s)
        return self.records(topic)

    def _stored(self, topic: str) -> list[Stored]:
        return [record_of(each) for each in self.call({"do": "records", "topic": topic})]

    def history(self, client_id: str | None = None) -> list[Exchange]:
        """The newest requests and what became of them; of every client, or of one.

        Those of a broker that was killed, or killed itself, are kept.
        """
        exchanges = self._history_so_far()
        if self.is_running:
            exchanges += [exchange_of(each) for each in self.call({"do": "history"})]
        return [each for each in exchanges if client_id in (None, each.client_id)]

    def _history_so_far(self) -> list[Exchange]:
        """That of children that have ended."""
        return self._past + [exchange_of(each) for each in self.last_words().get("history", ())]

    def forget_history(self) -> None:
        """Begin the history anew, and `logged`."""
        self._past = []
        if self.is_running:
            self.call({"do": "forget history"})
        else:
            self._remember()
            self._past = []
        file = self._directory / STDERR
        self._logged_from = file.stat().st_size if file.exists() else 0

    def wait_stored(self, topic: str, count: int, *, timeout_s: float = WAIT_S) -> None:
        """Return once readers may see `count` records of a topic. Raises TimeoutError."""
        self.call(_until_stored(topic, count, timeout_s), timeout_s + GRACE_S)

    async def until_stored(self, topic: str, count: int, *, timeout_s: float = WAIT_S) -> None:
        """Return once readers may see `count` records of a topic. Raises TimeoutError."""
        await self.call_async(_until_stored(topic, count, timeout_s), timeout_s + GRACE_S)

    def call(self, call: Call, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Ask the child.

        Raises:
            TimeoutError: what was waited for did not happen.
            ChildBrokerError: the child cannot do it, or is gone.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout_s)
                connection.connect(str(self._directory / CONTROL))
                connection.sendall(line(call))
                with connection.makefile("rb") as lines:
                    answer = lines.readline()
        except OSError as error:
            raise self._unanswered(call, str(error)) from None
        return self._value(call, answer)

    def tell(self, call: Call) -> None:
        """Ask the child something that does not matter once it is gone; raises as `call`."""
        if not self.is_running:
            return
        try:
            self.call(call)
        except ChildBrokerError as error:
            try:
                self.wait_ended(timeout_s=DYING_S)
            except TimeoutError:
                raise error from None

    async def call_async(self, call: Call, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Ask the child without blocking the loop; raises as `call`."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(
                    str(self._directory / CONTROL), limit=LINE_BYTES_MAX
                )
                try:
                    writer.write(line(call))
                    answer = await reader.readline()
                finally:
                    writer.close()
        except OSError as error:
            raise self._unanswered(call, str(error)) from None
        return self._value(call, answer)

    def last_words(self) -> Mapping[str, Any]:
        """What a child that has ended has left: counts of its faults, history; {} while it runs."""
        file = self._directory / LAST_WORDS
        words: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return words

    def lifeline(self) -> socket.socket | None:
        """A copy of what hangs up when the child ends; None if it does not run."""
        with self._starting:
            return self._lifeline.dup() if self._lifeline is not None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _await_end(self, timeout_s: float) -> None:
        lifeline = self._lifeline
        if lifeline is None:
            return
        lifeline.settimeout(timeout_s)
        try:
            while lifeline.recv(64):
                pass
        except TimeoutError:
            raise TimeoutError(f"the broker still runs after {timeout_s} s") from None
        except OSError:
            pass
        self._let_go()

    def _let_go(self) -> None:
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            lifeline.close()

    def _value(self, call: Call, answer: bytes) -> Any:
        if not answer:
            raise self._unanswered(call, "it ended")
        reply = json.loads(answer)
        if "timeout" in reply:
            raise TimeoutError(f"{call['do']}: not within {call['timeout_s']} s")
        if "missing" in reply:
            raise LookupError(reply["missing"])
        if "error" in reply:
            raise ChildBrokerError(f"{call['do']}: {reply['error']}")
        return reply["value"]

    def _unanswered(self, call: Call, why: str) -> ChildBrokerError:
        return ChildBrokerError(f"the broker did not answer {call['do']!r}: {why}\n{self.said}")


def _until_stored(topic: str, count: int, timeout_s: float) -> Call:
    return {"do": "until stored", "topic": topic, "count": count, "timeout_s": timeout_s}


def _read_line(connection: socket.socket, timeout_s: float) -> Any:
    """One line, byte by byte: what follows belongs to others. Raises OSError, ValueError."""
    connection.settimeout(timeout_s)
    read = bytearray()
    while not read.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise ValueError("it ended without a word")
        read += byte
    return json.loads(read)


def _security_of(given: str | BrokerSecurity | None) -> BrokerSecurity | None:
    if given is None:
        return None
    from .security.broker_security import security_of  # not for those who have none

    return security_of(given)
