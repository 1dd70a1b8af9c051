"""Writes docs/limits.md from broker/limits.py: its comments are the reasons; a test compares them.

python -m tests.support.pages.limits_page
"""

from __future__ import annotations

import ast
from pathlib import Path

from minibroker.broker import limits
from minibroker.protocol.codec import compiler

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "limits.md"
SOURCE = ROOT / "broker" / "limits.py"

OPENING = """# limits

Written from `broker/limits.py` by `python -m tests.support.pages.limits_page`; a test holds both
together.

Nothing in this broker grows without end, and no request costs the product of two counts. At a
bound it stops reading from the connection that owes, or refuses with the protocol's own error. A
bound that is new never refuses the start of what is there. Bounds that an operator may set are
properties: [configuration.md](configuration.md).

Work that takes longer than a turn of the loop may last is done in slices, one piece of it after
the other, or in a thread where it cannot be cut; nothing later of the same connection is begun
before it is done. So the answers of one connection keep their order, and others are served between
two slices.

"""


def written() -> str:
    """The page."""
    parts = [OPENING]
    for reasons, names in _groups(SOURCE.read_text(encoding="utf-8").splitlines()):
        values = ", ".join(f"`{name}` = {_shown(name)}" for name in names)
        parts.append(f"- {values}  \n  {' '.join(reasons)}\n")
    count = f"{compiler.REQUEST_ELEMENTS_MAX:,}"
    parts.append(
        f"- `REQUEST_ELEMENTS_MAX` = {count}  \n  Elements of all arrays of one request: an "
        "element of two bytes becomes an object of a hundred. Beyond it the connection is closed.\n"
    )
    return "".join(parts)


def _groups(lines: list[str]) -> list[tuple[list[str], list[str]]]:
    """Comments and the names that stand below them."""
    groups: list[tuple[list[str], list[str]]] = []
    for line in lines:
        if line.startswith("# "):
            if not groups or groups[-1][1]:
                groups.append(([], []))
            groups[-1][0].append(line[2:])
        elif line[:1].isupper() and " = " in line:
            name, _, rest = line.partition(" = ")
            comment = rest.partition("  # ")[2]
            assert groups, f"{name}: say why"
            groups[-1][1].append(name)
            if comment:
                groups[-1][0].append(comment)
    return groups


def undocumented(text: str) -> list[str]:
    """Names of bounds that no comment stands above."""
    lines = text.splitlines()
    names = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            at = node.lineno - 2
            while at >= 0 and lines[at][:1].isupper() and " = " in lines[at]:
                at -= 1
            if not lines[at].startswith("#"):
                names.append(ast.unparse(node.targets[0]))
    return names


def _shown(name: str) -> str:
    value = getattr(limits, name)
    if name.endswith(("BYTES_MAX", "BYTES")):
        for unit, size in (("MB", 1024 * 1024), ("KB", 1024)):
            if value >= size and value % size == 0:
                return f"{value // size:,} {unit}"
    return f"{value:,}" if isinstance(value, int | float) else repr(value)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
