"""The table of commands, and the parser of each: the same manners everywhere.

A command is a module in commands/ with SUMMARY, EXAMPLES, add_arguments(parser) and run(args) ->
exit code. The table repeats the summaries so that `minibroker --help` need not import them all; a
test holds the two equal.
Tests: tests/unit/cli/test_main.py
"""

from __future__ import annotations

from argparse import Action, ArgumentError, ArgumentParser, HelpFormatter, _SubParsersAction
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

HELP_COLUMNS = 80
EXAMPLES_SHOWN = 2
COMMANDS = {
    "serve": "run a broker",
    "produce": "send lines to a topic, each stored exactly once",
    "consume": "print the records of a topic",
    "topics": "create, list, describe, alter or delete topics",
    "groups": "list, describe, rewind or delete consumer groups",
    "session": "show what a durable session holds, settle what is on its way",
    "transactions": "list, describe or abort transactions, find those that hang",
    "secure": "draw certificates and a user for a broker with TLS and logins",
    "users": "add, list or remove users that log in by SCRAM",
    "acls": "add, list or remove rules of access: who may do what",
    "configs": "show or change properties of topics and brokers, quotas of clients",
    "log": "look into data directories, and decide what a start refuses, offline",
    "console": "pages in a browser about any Kafka, and more about a minibroker",
    "explain": "say why each Produce was answered as it was",
    "compare": "compare two Kafkas: topics, configurations, records, positions",
    "graduate": "move to another Kafka without a gap: mirror, switch, groups",
    "probe": "compare a broker's answers with Apache Kafka's, row by row",
    "proxy": "lose and delay answers in front of any Kafka, and show what passed",
    "demo": "lose acknowledgements on purpose and count what was stored",
    "healthcheck": "exit 0 if a broker answers",
}


def module_of(command: str) -> ModuleType:
    """The module of one command, imported now."""
    return import_module(f"{__package__}.commands.{command}")


def parser_of(command: str) -> ArgumentParser:
    """The whole parser of one command: its verbs have the same manners, and examples of their own.

    Args:
        command: a key of COMMANDS.
    """
    module = module_of(command)
    parser = _Parser(prog=f"minibroker {command}", description=module.SUMMARY)
    module.add_arguments(parser)
    _dress(parser, module.EXAMPLES[:EXAMPLES_SHOWN])
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            action.metavar = "{" + ",".join(action.choices) + "}"
            helps = {each.dest: each.help for each in action._choices_actions}
            for verb, verb_parser in action.choices.items():
                own = f"{command} {verb} "
                verb_parser.description = helps[verb]
                _dress(
                    verb_parser, [text for text in module.EXAMPLES if f"{text} ".startswith(own)]
                )
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
