"""EDGE: `minibroker log dump FILE…` and `minibroker log check DIR`: data directories, offline.

Neither changes anything. dump reads Kafka's own directories as well as ours (log_files.py); check
says what the next start would make of a data directory of ours (log_check.py).
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from .log_files import READERS, Row, rows_of

SUMMARY = "look into the files of a log, or check a data directory, offline"
EXAMPLES = (
    "log dump data/orders-0 --records",
    "log check data",
    "log dump data/orders-0/00000000000000000000.log --json",
    "log check data --json",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the subcommands and their options."""
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    dump = commands.add_parser("dump", help="print batches, indexes, snapshots, checkpoints")
    dump.add_argument(
        "file", nargs="+", type=Path, help="a file, or a directory for all that is in it"
    )
    dump.add_argument("--records", action="store_true", help="print the records of each batch too")
    check = commands.add_parser("check", help="say what is right and what a start would do")
    check.add_argument("directory", type=Path, help="the data directory of a stopped broker")
    for each in (dump, check):
        each.add_argument("--json", action="store_true", help="print a JSON object a line")


def run(args: Namespace) -> int:
    """Print; exit code 1 if something is damaged, 2 if it cannot be looked at."""
    try:
        if args.verb == "dump":
            return _dump(args)
        from .log_check import check_directory

        return _print_all(check_directory(args.directory), as_json=args.json)
    except BrokenPipeError:
        raise  # for main.py: it is an OSError, too
    except OSError as error:
        print(f"minibroker log: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


def _dump(args: Namespace) -> int:
    missing = [path for path in args.file if not path.exists()]
    for path in missing:
        print(f"minibroker log dump: {path}: there is no such file", file=sys.stderr)
    rows = _dumped([path for path in args.file if path.exists()], args.records)
    first = next(rows, None)
    if first is None:
        if not missing:
            names = ", ".join(READERS)
            print(f"minibroker log dump: nothing there ends in any of {names}", file=sys.stderr)
        return 1
    code = _print_all(chain([first], rows), as_json=args.json)
    return 1 if missing else code


def _dumped(paths: list[Path], with_records: bool) -> Iterator[Row]:
    for path in paths:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            if not file.name.endswith(tuple(READERS)):
                continue
            for row in rows_of(file, with_records):
                yield {"file": str(file), **row}


def _print_all(rows: Iterator[Row], *, as_json: bool) -> int:
    """Print rows as JSON lines, or as a table for each run of one file and kind."""
    code = 0
    heading: object = None
    for row in rows:
        if row["kind"] in ("damaged", "refused") or row.get("crc") == "wrong":
            code = 1
        if as_json:
            print(json.dumps(row))
            continue
        names = [name for name in row if name not in ("file", "kind")]
        if heading != (row.get("file"), row["kind"]):
            heading = (row.get("file"), row["kind"])
            print(f"\n{row.get('file', '')} {row['kind']}".rstrip())
            print("  ".join(_cell(name, name) for name in names).rstrip())
        print("  ".join(_cell(name, row[name]) for name in names).rstrip())
    return code


def _cell(name: str, value: object) -> str:
    """A value in a column as wide as its name, at least; words to the left, numbers right."""
    width = max(len(name), 10)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:>{width}}" if is_number else f"{value!s:<{width}}"
