"""EDGE: TestBroker, a broker in the test's own event loop.

    async with TestBroker() as broker:
        held = broker.faults.hold(at="appended", topic="orders")
        ...                                    # any asyncio client, at broker.bootstrap_servers
        await held.reached()
        held.release()
        broker.assert_stored_once("orders", [b"a", b"b"])

Records are kept on a simulated disk, or in `data_dir`. kill() and the fault `crash` are simulated:
nothing that was under way goes on, what was written stays, as after SIGKILL; after lose_power()
only what was flushed is sure to stay. For blocking clients take ChildBroker (child_broker.py): a
broker in a thread of the same process would starve.
Tests: tests/system/testing/test_faults.py
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..broker.cluster.acls import Acl
from ..broker.cluster.metadata import Topic
from ..broker.cluster.topics import NewTopic
from ..broker.config.broker import BrokerConfig
from ..broker.config.properties import nearest
from ..broker.config.sources import Layer, load
from ..broker.faults.detour import FaultPath
from ..broker.faults.exchanges import Exchange
from ..broker.faults.rules import ArmedRule, Faults, Rule
from ..broker.log.log import Log
from ..broker.runtime import RealClock, Runtime
from ..broker.storage.files import FileStorage
from ..broker.storage.port import Storage
from ..broker.world import World
from ..protocol.batch.header import BatchHeader, headers_in
from .assertions import Assertions
from .fault_control import WAIT_S, Fault, FaultControl
from .settings import Setting, setting_texts
from .simulated_disk import SimulatedDisk
from .simulated_storage import SimulatedStorage
from .stored import Stored, all_stored

if TYPE_CHECKING:
    from ..client.partitions import RecordMetadata
    from .security.broker_security import BrokerSecurity, Prepared

READ_BYTES = 1024 * 1024
TEST_CLIENT = "minibroker-testing"  # the client id of produce()


class LocalFault(Fault):
    """A rule at work in a broker of this event loop."""

    def __init__(self, rule: Rule, broker: TestBroker, armed: ArmedRule) -> None:
        super().__init__(rule)
        self._broker = broker
        self.armed_rule = armed

    @property
    def matched(self) -> int:
        return self.armed_rule.matched

    @property
    def fired(self) -> int:
        return self.armed_rule.fired

    @property
    def held(self) -> int:
        """How many wait at it at this moment."""
        return self.armed_rule.held

    def release(self) -> None:
        self._broker.rules.disarm(self.armed_rule)

    async def until_fired(self, times: int = 1, *, timeout_s: float = WAIT_S) -> None:
        await self._broker.until(lambda: self.fired >= times, timeout_s=timeout_s)


class LocalFaults(FaultControl[LocalFault]):
    """The faults of a broker in this event loop."""

    def __init__(self, broker: TestBroker) -> None:
        self._broker = broker
        self._armed: list[LocalFault] = []

    @property
    def armed(self) -> Sequence[LocalFault]:
        return tuple(self._armed)

    def arm(self, rule: Rule) -> LocalFault:
        fault = LocalFault(rule, self._broker, self._broker.rules.arm(rule))
        self._armed.append(fault)
        return fault

    def clear(self) -> None:
        self._broker.rules.clear()
        self._armed.clear()
        self._broker.restarting.clear()

    def _restart_after(self, fault: LocalFault) -> None:
        self._broker.restarting.add(fault.armed_rule)


class TestBroker(Assertions):
    """A broker in the running event loop; its port, data and faults outlive restarts.

    Args:
        data_dir: where its log lies; None takes a simulated disk that lives as long as this object.
        durability: "fsync", "page-cache" or "memory": what an acknowledgement means.
        settings: Kafka broker properties; numbers and booleans are taken as they are meant.
        port: 0 takes a free one.
        die: performs the fault `crash`; None simulates it.
        seed: of what is left after lose_power().
        security: "SSL", "SASL_PLAINTEXT", "SASL_SSL" or a BrokerSecurity (security/).

    Attributes:
        security: what clients need to be let in; None without.
    """

    __test__ = False  # pytest: this is no test

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        durability: str = "memory",
        settings: Mapping[str, Setting] | None = None,
        port: int = 0,
        die: Callable[[ArmedRule], None] | None = None,
        seed: int = 0,
        security: str | BrokerSecurity | Prepared | None = None,
    ) -> None:
        self.port = port
        self._prepared, self._security = _secured(security)
        self.rules = Faults()
        self.faults = LocalFaults(self)
        secured = self._prepared.settings if self._prepared is not None else {}
        self._texts = {**secured, **setting_texts(settings or {}), "durability": durability}
        self._disk = SimulatedDisk(random.Random(seed)) if data_dir is None else None
        if durability != "memory" or data_dir is not None:
            self._texts["log.dirs"] = str(data_dir or "simulated")
        self._die = die or self._crash
        self._runtime: Runtime | None = None
        self.restarting: set[ArmedRule] = set()  # after whose crash it starts again
        self._starting: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    def __repr__(self) -> str:
        state = f"at {self.bootstrap_servers}" if self.is_running else "not running"
        return f"<TestBroker {state}, durability={self._texts['durability']}>"

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
        from .security.scram_users import change_password

        change_password(self.runtime.broker, user, password)

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

        rules = rules_of(name, allow, deny)
        self.let(name, self.security.add_user(name), rules)
        return self.security.options(user=name)

    def let(self, user: str, password: str, rules: Iterable[Acl]) -> None:
        """Let a user log in, with these rights. Raises ValueError if the broker would refuse it."""
        from .security.scram_users import add_users
        from .security.user_rights import set_rights

        add_users(self.runtime.broker, {user: password})
        set_rights(self.runtime.broker, user, rules)

    @property
    def is_running(self) -> bool:
        """Whether it answers: started, not stopped, killed or crashed."""
        return self._runtime is not None

    @property
    def runtime(self) -> Runtime:
        """The running broker; raises RuntimeError when there is none."""
        if self._runtime is None:
            raise RuntimeError("the broker is not running")
        return self._runtime

    async def start(self) -> None:
        """Start it; raises as Runtime.start does."""
        prepared = self._prepared
        protocol = "PLAINTEXT" if prepared is None else prepared.protocol
        texts = {"listeners": f"{protocol}://127.0.0.1:{self.port}", **self._texts}
        loaded = load([Layer("test", texts)])
        storage = self._storage(loaded.config)
        world = World(RealClock(), storage, random.Random())
        runtime = Runtime(loaded.config, loaded.listeners, world, faults=self.rules, die=self._die)
        await runtime.start()
        if prepared is not None and prepared.protocol.startswith("SASL"):
            from .security.scram_users import add_users

            add_users(runtime.broker, prepared.users)
        self.port = runtime.bound[0].port
        self._ended.clear()
        self._runtime = runtime
        runtime.failed.add_done_callback(lambda _: self._note_end())

    async def stop(self) -> None:
        """Stop it cleanly; does nothing if it is not running."""
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            self._ended.set()
            await runtime.stop()

    async def kill(self) -> None:
        """End it at once, as SIGKILL would: written is written, nothing else happens any more."""
        self._end()
        if self._disk is not None:
            self._disk.kill()
        await asyncio.sleep(0)  # lets connections and the port go

    async def lose_power(self) -> None:
        """End it at once; of what was not flushed, `seed` decides what is left.

        Raises:
            RuntimeError: its data lies in a real directory, which keeps what was written.
        """
        if self._disk is None:
            raise RuntimeError("power can be lost on the simulated disk only: give no data_dir")
        self._end()
        self._disk.lose_power()
        await asyncio.sleep(0)

    async def restart(self) -> None:
        """Stop it, if it runs, and start it again: same port, same data, same faults."""
        await self.stop()
        await self.start()

    async def ended(self, *, timeout_s: float | None = WAIT_S) -> None:
        """Return once it is not running, by a crash or otherwise. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            await self._ended.wait()

    async def until(self, condition: Callable[[], bool], *, timeout_s: float = WAIT_S) -> None:
        """Return once something holds about records, faults or history.

        Looked at whenever a request has been answered or a fault has fired. Raises TimeoutError.
        """
        await self._path.until(condition, round(timeout_s * 1000))

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic. Raises ValueError if that is refused."""
        planned = self.runtime.broker.plan_topic(NewTopic(topic, partition_count=partitions))
        if not isinstance(planned, Topic):
            raise ValueError(f"{topic}: {planned.code.name}: {planned.why}")
        self.runtime.broker.create_topics([planned])

    async def produce(
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
        from ..client.producer import Producer

        security = {} if self._security is None else self._security.options(is_known=True)
        async with Producer(self.bootstrap_servers, client_id=TEST_CLIENT, **security) as producer:
            keys = None if key is None else [key] * len(values)
            return [*await producer.send_many(topic, values, keys, partition=partition)]

    async def consume(
        self, topic: str, count: int = 1, *, timeout_s: float = WAIT_S
    ) -> list[Stored]:
        """Every record of a topic, once there are `count` at least; it may not exist yet.

        Raises: TimeoutError, naming how many there were.
        """
        try:
            await self.until(lambda: len(self._records(topic)) >= count, timeout_s=timeout_s)
        except TimeoutError:
            found = len(self._records(topic))
            text = f"{topic}: {found} of {count} records after {timeout_s:g} s"
            raise TimeoutError(text) from None
        return self._records(topic)

    def _stored(self, topic: str) -> list[Stored]:
        topics = self.runtime.broker.state.topics
        if topic not in topics:
            known = f"there are {', '.join(topics)}" if topics else "there is none at all"
            raise LookupError(f"there is no topic {topic!r}{nearest(topic, topics)}; {known}")
        return self._records(topic)

    def _records(self, topic: str) -> list[Stored]:
        broker = self.runtime.broker
        known = broker.state.topics.get(topic)
        found: list[Stored] = []
        for index in range(known.partition_count if known is not None else 0):
            partition = broker.partition(topic, index)
            assert partition is not None
            visible = partition.high_watermark
            batches = [
                (header, batch)
                for header, batch in _batches(partition.log)
                # A marker that waits for its flush has decided: who was told so may ask us now.
                if header.next_offset <= visible or header.is_control
            ]
            found += all_stored(index, batches)
        return found

    def history(self, client_id: str | None = None) -> list[Exchange]:
        """The newest requests and what became of them; of every client, or of one."""
        return self._path.history.exchanges(client_id)

    def forget_history(self) -> None:
        """Begin the history anew."""
        self._path.history.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.faults.clear()
        await self.stop()

    @property
    def _path(self) -> FaultPath:
        path = self.runtime.fault_path
        assert path is not None
        return path

    def _storage(self, config: BrokerConfig) -> Storage:
        if self._disk is None:
            return FileStorage.of_broker(config.log_dirs[0])
        self._disk.kill()  # whatever has used it before
        self._disk.is_down = False
        return SimulatedStorage(self._disk)

    def _crash(self, armed: ArmedRule) -> None:
        if threading.get_ident() == self._loop_thread:
            self._end_by(armed)
        else:  # a thread that flushes
            self._loop.call_soon_threadsafe(self._end_by, armed)

    def _end_by(self, armed: ArmedRule) -> None:
        self._end()
        if armed in self.restarting:
            self._starting = self._loop.create_task(self._start_again())

    async def _start_again(self) -> None:
        if self._disk is not None:
            self._disk.kill()
        await asyncio.sleep(0)  # lets connections and the port go
        await self.start()

    def _note_end(self) -> None:
        """The broker has given up by itself."""
        self._ended.set()

    def _end(self) -> None:
        runtime, self._runtime = self._runtime, None
        self._ended.set()
        if runtime is not None:
            runtime.kill()


def _secured(
    given: str | BrokerSecurity | Prepared | None,
) -> tuple[Prepared | None, BrokerSecurity | None]:
    """What the broker needs, and what its clients do, of whom a child's broker has none."""
    if given is None:
        return None, None
    from .security.broker_security import Prepared, security_of

    if isinstance(given, Prepared):
        return given, None
    security = security_of(given)
    return (None, None) if security is None else (security.prepared, security)


def _batches(log: Log) -> Iterator[tuple[BatchHeader, memoryview]]:
    """Every batch of a log, durable or not."""
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = memoryview(log.read(offset, log.log_end_offset, READ_BYTES))
        for position, header in headers_in(data):
            yield header, data[position : position + header.size_bytes]
            offset = header.next_offset
