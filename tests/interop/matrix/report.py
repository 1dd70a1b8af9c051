"""EDGE: what came out of a run, against allow.txt, and the table in docs/compatibility.md.

A line of allow.txt is CLIENT CHECK. It only grows: a listed check that fails is an error, an
unlisted one that passes is reported with the line to add. The table is written by a run in which
every check of every client ran and every listed one passed; any run prints it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from tests.interop.matrix.catalogue import CLIENTS, LOST_ANSWERS, READ, WRITE, Client
from tests.interop.matrix.environments import ROOT
from tests.interop.matrix.stage import LOSE_EVERY, RECORDS

ALLOW = Path(__file__).with_name("allow.txt")
PAGE = ROOT / "docs" / "compatibility.md"
YES, NOTHING = "yes", "–"
HEAD = "| Client | Version | Runs on | Writes | Reads | Lost answers | Gaps |"
EXPLANATION = f"""# Clients that work with this broker

Written by `make interop`, from `tests/interop/matrix`: each client is installed unmodified in an
environment of its own. What a row says is also in `tests/interop/matrix/allow.txt`, and must stay
true.

- **Writes**: {RECORDS:,} records in each compression named: keys and values that are null or empty,
  headers (twice the same name, null, empty), every byte, values of 1,000,000 bytes. Each is stored
  once and in order, at the offset acknowledged, in batches of that compression; read back by raw
  Fetch and by a client of another library.
- **Reads**: the same {RECORDS:,} records, written by a client of another library in each
  compression named, from a partition assigned by hand; kafkajs, which cannot, as the only member
  of a group, from the beginning.
- **Lost answers**: writes them idempotently through a proxy that loses every {LOSE_EVERY}th answer
  to Produce and cuts the connection; each is stored once and in order.

"""


def allowed() -> set[tuple[str, str]]:
    """The (client, check) pairs of allow.txt."""
    lines = ALLOW.read_text(encoding="utf-8").splitlines()
    return {(client, check) for client, check in map(str.split, lines)}


class Report:
    """Outcomes by (client, check), filled as the run goes.

    Attributes:
        missing: client to the reason why it could not be run here.
    """

    def __init__(self) -> None:
        self.passed: set[tuple[str, str]] = set()
        self.failed: dict[tuple[str, str], str] = {}
        self.missing: dict[str, str] = {}
        self.versions: dict[str, Mapping[str, str]] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every check of every client ran."""
        every = {(client.name, check) for client in CLIENTS for check in client.checks()}
        return every == self.passed | set(self.failed)

    def page(self) -> str:
        """docs/compatibility.md, of the clients that ran or are missing."""
        rows = [self._row(client) for client in CLIENTS if self._has(client)]
        return EXPLANATION + "\n".join([HEAD, "|---" * (HEAD.count("|") - 1) + "|", *rows, ""])

    def write(self) -> str:
        """Write the page if the run was whole and as good as allow.txt; returns what was done."""
        if not self.is_whole or set(self.failed) & allowed():
            return f"{PAGE.name} is left as it is: not every check ran and kept its promise"
        PAGE.write_text(self.page(), encoding="utf-8")
        return f"{PAGE.name} is written"

    def lines_to_add(self) -> list[str]:
        """What passed and is not in allow.txt yet."""
        return sorted(f"{client} {check}" for client, check in self.passed - allowed())

    def _has(self, client: Client) -> bool:
        return client.name in self.versions or client.name in self.missing

    def _row(self, client: Client) -> str:
        said = self.versions.get(client.name, {"version": "?", "runs_on": "?"})
        return (
            "| "
            + " | ".join(
                [
                    client.name,
                    said["version"],
                    said["runs_on"],
                    *passed_cells(
                        client, {check for name, check in self.passed if name == client.name}
                    ),
                    "; ".join(self._gaps(client)) or NOTHING,
                ]
            )
            + " |"
        )

    def _gaps(self, client: Client) -> Iterator[str]:
        if client.name in self.missing:
            yield f"not run: {self.missing[client.name]}"
        for what, reason in client.gaps.items():
            yield f"{what}: {reason}"
        for (name, check), text in self.failed.items():
            if name == client.name:
                yield f"{check}: {text.partition(chr(10))[0]}".replace("|", "¦")


def passed_cells(client: Client, passed: Collection[str]) -> list[str]:
    """The cells Writes, Reads and Lost answers of a client's row."""
    cells = []
    for what in (WRITE, READ):
        names = [check for check in client.checks() if check.startswith(what) and check in passed]
        cells.append(", ".join(name.partition("-")[2] for name in names) or NOTHING)
    return [*cells, YES if LOST_ANSWERS in passed else NOTHING]
