"""EDGE: `minibroker COMMAND`: finds the command's module and runs it; nothing else is imported.

What a command is, and how it is parsed, stands in parsers.py. Exit codes: 0 done, 1 failure, 2
wrong usage, 128+n ended by signal n.
"""

from __future__ import annotations

import os
import sys

from .parsers import COMMANDS, module_of, parser_of
from .terminal.standard_output import forget_reader, hold_standard_descriptors, show_every_letter

INTERRUPTED = 130
COMPLETION = "_ARGCOMPLETE"


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code. Nothing a user does ends in a traceback."""
    if COMPLETION in os.environ:  # a shell asks what may follow
        from .completion import complete

        complete()
    hold_standard_descriptors()
    show_every_letter()
    try:
        try:
            code = _run(sys.argv[1:] if argv is None else argv)
        finally:
            # Now, while a reader that has gone away (`| head -1`) can still be told from a defect:
            # at its end Python would print "Exception ignored ... BrokenPipeError".
            sys.stdout.flush()
    except BrokenPipeError:
        forget_reader()
        return 0  # it has all it wanted
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"minibroker {version('minibroker')}")
        return 0
    if words[0] not in COMMANDS:
        from ..broker.config.properties import nearest

        hint = nearest(words[0], COMMANDS) or "; try minibroker --help"
        print(f"minibroker: no command {words[0]!r}{hint}", file=sys.stderr)
        return 2
    module = module_of(words[0])
    code: int = module.run(parser_of(words[0]).parse_args(words[1:]))
    return code


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: minibroker COMMAND [options]",
            "",
            "A small broker that speaks the Apache Kafka protocol and stores every retried",
            "batch exactly once.",
            "",
            *lines,
            "",
            "minibroker COMMAND --help tells more; minibroker --version prints the version.",
        ]
    )
