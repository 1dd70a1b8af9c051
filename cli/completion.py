"""Completion in a shell: `eval "$(register-python-argcomplete minibroker)"`.

Needs `pip install 'minibroker[completion]'`. Everything is offered that the parsers of the commands
know; topics and groups are not, since that would mean to ask a broker at every Tab.
Tests: tests/unit/cli/test_main.py
"""

from __future__ import annotations

from argparse import ArgumentParser

from .parsers import COMMANDS, parser_of


def complete() -> None:
    """Answer the shell, and end; returns where argcomplete is not installed."""
    try:
        from argcomplete import autocomplete
    except ImportError:
        return
    autocomplete(whole_parser())


def whole_parser() -> ArgumentParser:
    """One parser of all commands."""
    parser = ArgumentParser(prog="minibroker")
    parser.add_argument("--version", action="store_true")
    commands = parser.add_subparsers(dest="command")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, parents=[parser_of(name)], help=summary, add_help=False)
    return parser
