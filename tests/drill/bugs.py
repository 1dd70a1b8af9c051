"""EDGE: bugs to plant, each a few characters of the broker's own source, one at a time.

A bug names the module and what to replace in it. plant() must come before that module is imported;
when the source no longer says what is to be replaced, it fails, so that no drill proves nothing.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A planted bug.

    Args:
        module: below `minibroker`.
        changes: (what the source says, what it shall say).
    """

    name: str
    module: str
    changes: Sequence[tuple[str, str]]


BUGS = (
    Bug(
        "ack before flush",
        "broker.waiting.group_commit",
        [
            (
                "            self._waiting.append(Waiting(promise, message, refusal))\n",
                "            promise.keep(message)\n",
            )
        ],
    ),
    Bug(
        "record before append",
        "broker.partitions.partition",
        [
            (
                "            outcome, stored = self._append(",
                """            if header.producer_id >= 0:
                self.sequences.record(header, self.log.log_end_offset, now_ms, header.crc)
            outcome, stored = self._append(""",
            ),
            (
                "self.sequences.record(stored, ",
                "(stored, ",
            ),
        ],
    ),
    Bug(
        "snapshot without its tail",
        "broker.log.opening",
        [
            (
                "        fold_from=fold_from,\n    )\n",
                "        fold_from=fold_from and 2**62,\n    )\n",
            )
        ],
    ),
    Bug(
        "window of one",
        "broker.partitions.sequences",
        [("kept if producer_epoch == epoch_known else _NO_BATCHES", "_NO_BATCHES")],
    ),
    Bug("sequence wrap off by one", "protocol.sequence", [("& SEQUENCE_MAX", "% SEQUENCE_MAX")]),
    Bug(
        "PID reissued",
        "broker.cluster.producer_ids",
        [
            ("self._random.choice(STARTS) * STEP", "2**20 * STEP"),
            ("if not any(each in ids for each in self._known()):", "if ids:"),
        ],
    ),
    Bug(
        "unknown id removed",
        "broker.directory.survey",
        [
            (
                "self._found.unknown.append(Unknown(name, why))",
                "self._found.deleted.append((name, bytes(16)))",
            )
        ],
    ),
    Bug(
        "recovery that skips the CRC",
        "broker.log.recovery",
        [("if crc32c(chunk[at + ATTRIBUTES_AT : end]) != crc:", "if at < 0:")],
    ),
)


class SourceHasMoved(Exception):
    """The source does not say what a bug is to replace; the text names it."""


def plant(bug: Bug) -> None:
    """Import the bug's module with its changes. Raises SourceHasMoved."""
    name = f"minibroker.{bug.module}"
    assert name not in sys.modules, f"{name} was imported before its bug"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as file:
        source = file.read()
    for said, shall in bug.changes:
        if said not in source:
            raise SourceHasMoved(f"{bug.name}: {bug.module} no longer says {said!r}")
        source = source.replace(said, shall)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    exec(compile(source, spec.origin, "exec"), module.__dict__)
