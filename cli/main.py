"""EDGE: `minibroker COMMAND`: finds the command's module and runs it; nothing else is imported.

A command is a module here with SUMMARY, EXAMPLES, add_arguments(parser) and run(args) -> exit code.
The table below repeats the summaries so that `minibroker --help` need not import them all; a test
holds the two equal. Exit codes: 0 done, 1 failure, 2 wrong usage, 128+n ended by signal n.
"""

from __future__ import annotations

import os
import sys
from argparse import Action, ArgumentError, ArgumentParser, HelpFormatter, _SubParsersAction
from collections.abc import Sequence
from importlib import import_module

from .standard_output import forget_reader, hold_standard_descriptors, show_every_letter

HELP_COLUMNS = 80
EXAMPLES_SHOWN = 2
COMMANDS = {
    "serve": "run a broker",
    "produce": "send lines to a topic, each stored exactly once",
    "consume": "print the records of a topic",
    "topics": "create, list, describe, alter or delete topics",
    "groups": "list, describe, rewind or delete consumer groups",
    "configs": "show or change the properties of topics and brokers",
    "log": "look into data directories, and decide what a start refuses, offline",
    "explain": "say why each Produce was answered as it was",
    "probe": "compare a broker's answers with Apache Kafka's, row by row",
    "proxy": "lose and delay answers in front of any Kafka, and show what passed",
    "demo": "lose acknowledgements on purpose and count what was stored",
    "healthcheck": "exit 0 if a broker answers",
}


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
    module = import_module(f"{__package__}.{words[0]}")
    code: int = module.run(parser_of(words[0]).parse_args(words[1:]))
    return code


def parser_of(command: str) -> ArgumentParser:
    """The whole parser of one command: its verbs have the same manners, and examples of their own.

    Args:
        command: a key of COMMANDS.
    """
    module = import_module(f"{__package__}.{command}")
    parser = _Parser(prog=f"minibroker {command}", description=module.SUMMARY)
    module.add_arguments(parser)
    _dress(parser, module.EXAMPLES[:EXAMPLES_SHOWN])
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            action.metavar = "{" + ",".join(action.choices) + "}"
            helps = {each.dest: each.help for each in action._choices_actions}
            for verb, each in action.choices.items():
                own = f"{command} {verb} "
                each.description = helps[verb]
                _dress(each, [text for text in module.EXAMPLES if f"{text} ".startswith(own)])
    return parser


def _dress(parser: ArgumentParser, examples: Sequence[str]) -> None:
    parser.formatter_class = _formatter
    parser.allow_abbrev = False
    parser.epilog = "\n".join(["examples:", *(f"  minibroker {each}" for each in examples)])


class _Parser(ArgumentParser):
    """Tells the nearest right word where one of several is expected. Its verbs are of the kind."""

    def _check_value(self, action: Action, value: object) -> None:
        if action.choices is None or value in action.choices:
            return
        from ..broker.config.properties import nearest

        words = [str(each) for each in action.choices]
        hint = nearest(str(value), words) or f"; choose from {', '.join(words)}"
        raise ArgumentError(action, f"{value!r} is none of its words{hint}")


class _Help(HelpFormatter):
    """The examples at the end stay lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


def _formatter(prog: str) -> HelpFormatter:
    """A fixed width: asking the terminal's takes an import that healthcheck cannot afford."""
    return _Help(prog, width=HELP_COLUMNS)


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
