"""EDGE: `minibroker serve`: a broker in the foreground until SIGTERM, SIGINT or SIGHUP.

Standard output carries the two start lines only, once the broker answers; logs go to standard
error, a line each (broker/log_lines.py). Exit codes: 0 after a signal, 1 failure, 2 wrong usage.
Tests: tests/system/commands/test_serve.py
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ...broker.cluster.records import MetadataError
from ...broker.config.broker import DURABILITIES
from ...broker.config.listener_security import SecurityProtocol
from ...broker.config.listeners import Listener, is_loopback
from ...broker.config.properties import ConfigError
from ...broker.config.sources import Layer, Loaded, load
from ...broker.connections.descriptors import raise_limit, shares
from ...broker.log_lines import FORMATS, LEVELS, Event, formatter
from ...broker.runtime import ListenError, Runtime
from ...broker.storage.port import DamagedLog, DirectoryRefused, StorageError
from ..config_file import VARIABLE, standing_layers
from ..terminal.addresses import Address, parse_place
from ..terminal.log_output import LogOutput
from ..terminal.process_memory import collect_rarely, give_back_when_changed, share_one_arena
from ..terminal.standard_output import say

if TYPE_CHECKING:
    from ...broker.faults.rules import Faults
    from ...broker.metrics.server import MetricsServer
    from ..terminal.console_child import ConsoleChild

SUMMARY = "run a broker"
EXAMPLES = (
    "serve",
    "serve --log-dirs ./data --listeners PLAINTEXT://:9092 --set log.retention.hours=1",
)
logger = logging.getLogger("minibroker")
STDERR = 2
CONSOLE_AT: Address = ("127.0.0.1", 8080)
RIGHTS = ("changes", "faults")  # those of console.py
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StoppedStarting(SystemExit):
    """A signal while the data is opened: no worse than a crash there, and nobody was promised more.

    Recovering may take minutes, and holds the loop: nothing but an exception ends it at once, and
    both kinds of loop let none through but this kind.
    """


def _stop_starting(number: int, frame: object) -> None:
    raise StoppedStarting(signal.Signals(number).name)


_MEANING = {
    "fsync": "an acknowledged record is on the disk: it survives kill -9 and power loss",
    "page-cache": "an acknowledged record has been given to the operating system: it survives "
    "kill -9 of the broker, not power loss (Apache Kafka's own default)",
    "memory": "NOTHING SURVIVES: records, topics and everything else are kept in memory only and "
    "are gone when this process ends; give --log-dirs DIR to keep them",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--listeners",
        metavar="NAME://HOST:PORT[,…]",
        help="where to listen; port 0 takes any (default PLAINTEXT://127.0.0.1:9092)",
    )
    parser.add_argument(
        "--advertised-listeners",
        metavar="NAME://HOST:PORT[,…]",
        help="what clients are told to connect to (default: the listeners)",
    )
    parser.add_argument(
        "--log-dirs",
        metavar="DIR",
        help="the data directory, exactly one (default: none, everything in memory)",
    )
    parser.add_argument(
        "--durability",
        choices=DURABILITIES,
        help="what an acknowledgement means. "
        + "; ".join(f"{word}: {text}" for word, text in _MEANING.items())
        + " (default: fsync with --log-dirs, else memory)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"a server.properties file (default: the one that {VARIABLE} names, if it is set)",
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="any Kafka broker property; repeatable",
    )
    parser.add_argument(
        "--faults",
        metavar="FILE",
        help="break on purpose: a YAML file of fault rules (needs minibroker[testing])",
    )
    _add_watching(parser)
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        default="info",
        help="how much to say on standard error (default info)",
    )
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        default="text",
        help="text: key=value lines (logfmt); json: an object a line (default text)",
    )


def _add_watching(parser: ArgumentParser) -> None:
    """What shows how it is: to programs, and to people."""
    parser.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        type=parse_place,
        help="where to tell metrics (/metrics, for Prometheus) and health (/healthz, /readyz), "
        "over plain HTTP; port 0 takes any (default: nowhere)",
    )
    parser.add_argument(
        "--console",
        nargs="?",
        const=CONSOLE_AT,
        metavar="HOST:PORT",
        type=parse_place,
        help="serve the console beside it, pages in a browser (needs minibroker[console]); reading "
        f"only, unless --console-allow (default where no place is given: {CONSOLE_AT[0]}:"
        f"{CONSOLE_AT[1]})",
    )
    parser.add_argument(
        "--console-allow",
        choices=RIGHTS,
        action="append",
        default=[],
        help="as `minibroker console --allow`; repeatable",
    )


def run(args: Namespace) -> int:
    """Serve until told to stop."""
    handler = LogOutput(STDERR)
    handler.setFormatter(formatter(args.log_format))
    logging.basicConfig(handlers=[handler], level=args.log_level.upper())
    if args.console is not None:
        from .console import missing_packages

        if text := missing_packages():
            print(f"minibroker serve: {text}", file=sys.stderr)
            return 1
    raise_limit()
    try:
        loaded = load(_layers(args))
        faults = _faults(args.faults) if args.faults is not None else None
    except ValueError as error:  # ConfigError, FaultFileError
        print(f"minibroker serve: {error}", file=sys.stderr)
        return 2
    for warning in loaded.warnings:
        logger.warning(warning)
    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup a hang-up is to be ignored
            signal.signal(number, _stop_starting)
    try:
        return _run_loop(loaded, faults, args)
    except StoppedStarting as stopped:
        logger.info(Event("stopped", clean=True, signal=str(stopped), while_starting=True))
        return 0
    except ConfigError as error:  # of a certificate or of users: read when listeners are made
        print(f"minibroker serve: {error}", file=sys.stderr)
        return 2
    except (DirectoryRefused, DamagedLog, StorageError, MetadataError, ListenError) as error:
        print(f"minibroker serve: {error}", file=sys.stderr)
        return 1


def _layers(args: Namespace) -> list[Layer]:
    layers = standing_layers(args.config)
    texts = {}
    for pair in args.set:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"--set {pair}: expected NAME=VALUE")
        texts[name.strip()] = value
    layers.append(Layer("--set", texts))
    named = {
        "listeners": args.listeners,
        "advertised.listeners": args.advertised_listeners,
        "log.dirs": args.log_dirs,
        "durability": args.durability,
    }
    options = {name: text for name, text in named.items() if text is not None}
    return [*layers, Layer("options", options)]


def _faults(path: str) -> Faults:
    from ...broker.faults.rules import Faults
    from ...testing.fault_file import read_fault_file

    faults = Faults()
    for rule in read_fault_file(path):
        faults.arm(rule)
    logger.warning(Event("faults-armed", rules=len(faults.rules), meaning="it breaks on purpose"))
    return faults


def _run_loop(loaded: Loaded, faults: Faults | None, args: Namespace) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(loaded, faults, args))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(loaded, faults, args))


async def _serve(loaded: Loaded, faults: Faults | None, args: Namespace) -> int:
    config = loaded.config
    runtime = Runtime(config, loaded.listeners, faults=faults)
    await runtime.start()
    told = None if args.metrics is None else await _tell_metrics(runtime, *args.metrics)
    console = None if args.console is None else await _show_console(runtime, args)
    collect_rarely()
    share_one_arena()
    giving_back = asyncio.create_task(give_back_when_changed())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    received: list[str] = []

    def note(number: signal.Signals) -> None:
        received.append(number.name)
        stop.set()

    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # under nohup a hang-up is to be ignored
            loop.add_signal_handler(number, note, number)
    for listener in loaded.listeners:
        _warn_if_open(listener)
    level = logging.WARNING if config.durability == "memory" else logging.INFO
    meaning = _MEANING[config.durability]
    logger.log(level, Event("durability", durability=config.durability, meaning=meaning))
    share = shares()
    logger.info(
        Event(
            "descriptors",
            limit=share.limit,
            connections_max=runtime.server.connections_max,
            open_files_max=share.open_files_max,
        )
    )
    places = ",".join(map(str, runtime.bound))
    urls = {"metrics": told, "console": console}
    where = "".join(f" {name}={each.url}" for name, each in urls.items() if each is not None)
    where += f" log.dirs={config.log_dirs[0]}" if config.log_dirs else ""
    why_not = say(
        f"minibroker ready: listeners={places} durability={config.durability}{where}",
        f"[KafkaServer id={config.node_id}] started",
    )
    if why_not:
        logger.warning(Event("ready-lines-lost", why=why_not, listeners=places))
    runtime.failed.add_done_callback(lambda _: stop.set())
    await stop.wait()
    if not runtime.failed.done():
        logger.info(Event("stopping", signal=received[0]))
    giving_back.cancel()
    began = loop.time()
    if told is not None:
        told.close()
    await asyncio.gather(runtime.stop(), *([] if console is None else [console.stop()]))
    if runtime.failed.done():
        logger.critical(Event("stopped", clean=False, why=runtime.failed.result()))
        return 1
    logger.info(Event("stopped", clean=True, took_ms=round((loop.time() - began) * 1000)))
    return 0


async def _tell_metrics(runtime: Runtime, host: str, port: int) -> MetricsServer:
    from importlib.metadata import version  # here: only who asks for it pays for it

    from ...broker.metrics.server import MetricsServer

    server = MetricsServer(runtime, version("minibroker"))
    try:
        await server.start(host, port)
    except ListenError:
        await runtime.stop()
        raise
    if not is_loopback(host):
        why = "it is open to the network: whoever reaches it reads names of topics and groups"
        logger.warning(Event("metrics-open", url=server.url, why=why))
    return server


async def _show_console(runtime: Runtime, args: Namespace) -> ConsoleChild:
    from ..terminal.console_child import ConsoleChild, ConsoleFailed

    if runtime.broker.figures.loop_lag is None:
        from ...broker.metrics.loop_watch import LoopWatch

        runtime.broker.figures.loop_lag = (
            LoopWatch().lag
        )  # its timer keeps it for as long as the loop runs
    try:
        return await ConsoleChild.start(args.console, runtime.bound, args.console_allow)
    except ConsoleFailed as error:
        await runtime.stop()
        raise ListenError(str(error)) from error


def _warn_if_open(listener: Listener) -> None:
    protocol = listener.security.protocol
    if not listener.is_loopback and protocol is not SecurityProtocol.SASL_SSL:
        lacks = [
            what
            for what, has in (
                ("authentication", protocol.has_sasl),
                ("encryption", protocol.has_tls),
            )
            if not has
        ]
        why = f"it is open to the network, without {' or '.join(lacks)}"
        logger.warning(
            Event(
                "listener-open", listener=listener.name, why=why, change=_lines_for(listener.name)
            )
        )


def _lines_for(name: str) -> str:
    """The lines that close a listener; `minibroker secure DIR` writes all of them, and files."""
    return (
        f"listener.security.protocol.map={name}:SASL_SSL, ssl.keystore.type=PEM, "
        "ssl.keystore.location=FILE, sasl.enabled.mechanisms=PLAIN, "
        f"listener.name.{name.lower()}.plain.sasl.jaas.config=...; `minibroker secure DIR` writes "
        "a server.properties with these, and what they name"
    )
