"""`minibroker COMMAND`: finds the command's module and runs it; nothing else is imported.

A command is a module here with SUMMARY, add_arguments(parser) and run(args) -> exit code. The
table below repeats the summaries so that `minibroker --help` need not import them all; a test
holds the two equal. Exit codes: 0 done, 1 failure, 2 wrong usage.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, HelpFormatter
from importlib import import_module

HELP_COLUMNS = 96
COMMANDS = {
    "serve": "run a broker",
    "produce": "send lines to a topic, each stored exactly once",
    "consume": "print the records of a topic",
    "topics": "create, list, describe, alter or delete topics",
    "groups": "list, describe, rewind or delete consumer groups",
    "configs": "show or change the properties of topics and brokers",
    "log": "look into the files of a log, or check a data directory, offline",
    "explain": "say why each Produce was answered as it was",
    "probe": "compare a broker's answers with Apache Kafka's, row by row",
    "proxy": "lose, tear and delay answers in front of any Kafka, and show what passed",
    "demo": "lose acknowledgements on purpose and count what was stored",
    "healthcheck": "exit 0 if a broker answers",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"minibroker {version('minibroker')}")
        return 0
    if words[0] not in COMMANDS:
        print(f"minibroker: no command {words[0]!r}; try minibroker --help", file=sys.stderr)
        return 2
    module = import_module(f"{__package__}.{words[0]}")
    parser = ArgumentParser(
        prog=f"minibroker {words[0]}", description=module.SUMMARY, formatter_class=_formatter
    )
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(words[1:]))
    return code


def _formatter(prog: str) -> HelpFormatter:
    """A fixed width: asking the terminal's takes an import that healthcheck cannot afford."""
    return HelpFormatter(prog, width=HELP_COLUMNS)


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: minibroker COMMAND [options]",
            "",
            "A small broker that speaks the Apache Kafka protocol and stores every retried batch",
            "exactly once.",
            "",
            *lines,
            "",
            "minibroker COMMAND --help tells more; minibroker --version prints the version.",
        ]
    )
