"""EDGE: `minibroker log`: data directories, offline, while no broker runs on them.

    dump FILE…               print files; reads Kafka's directories as well as ours
    (data_directory/files.py) check DIR                say what the next start would do
    (data_directory/check.py); changes nothing adopt DIR NAME…          take logs for what they are,
    which a start has refused set-aside DIR NAME…      let a start do without them; they are kept
    under another name

The last two move and record, and never delete: ../broker/directory/adoption.py.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ...broker.cluster.records import MetadataError
from ...broker.storage.port import DamagedLog, DirectoryInUse, DirectoryRefused, StorageError
from ..data_directory.files import READERS, Row, rows_of
from ..terminal.running import complain

SUMMARY = "look into data directories, and decide what a start refuses, offline"
EXAMPLES = (
    "log dump data/orders-0 --records",
    "log check data",
    "log adopt data orders-0 orders-1",
    "log adopt data --all",
    "log set-aside data orders-0",
    "log set-aside data --all",
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
    adopt = commands.add_parser("adopt", help="take logs that a start refuses for what they are")
    aside = commands.add_parser("set-aside", help="let a start do without logs; deletes nothing")
    for command in (adopt, aside):
        command.add_argument("directory", help="the data directory of a stopped broker")
        command.add_argument("name", nargs="*", help="a log's directory in it: orders-0")
        command.add_argument("--all", action="store_true", help="every partition nobody knows")
    for each in (dump, check):
        each.add_argument("--json", action="store_true", help="print a JSON object a line")


def run(args: Namespace) -> int:
    """Print; exit code 1 if something is damaged or refused, 2 if it cannot be looked at."""
    try:
        if args.verb == "dump":
            return _dump(args)
        if args.verb in ("adopt", "set-aside"):
            from ..data_directory.decide import decide

            return decide(args.verb, args.directory, args.name, every=args.all)
        from ..data_directory.check import check_directory

        return _print_all(check_directory(args.directory), as_json=args.json)
    except BrokenPipeError:
        raise  # for main.py: it is an OSError, too
    except (DirectoryRefused, DamagedLog, MetadataError, StorageError) as error:
        complain(f"log {args.verb}", str(error))
        return 2 if isinstance(error, DirectoryInUse | StorageError) else 1
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
        if row["kind"] == "verdict":
            print(f"\n{row['says']}")
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
