"""The house as a test: which room may import which, and that every file that is named is there.

A room is a folder of a package, or a file beside those folders. Rooms stand on floors: each imports
only from those named before it, so that no arrow runs back up and none in a circle.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from minibroker.broker.apis.served import SERVED, handler_file

from tests.support.repository import ROOT, repository_paths

ENTRIES_MAX = 20  # of a folder: what can be taken in at a glance, and a little more
# folder -> why it has more: each file there is one thing of a kind
LONG_LISTS = {
    "broker": "a room an idea, and the files that put them together",
    "client": "a face a file, and the rooms behind them",
    "broker/apis": "one file an API",
    "protocol/messages": "one file an API",
    "tests/golden/frames": "one file an API",
    "docs": "one file a subject",
    "docs/decisions": "one file a decision",
}
# From the ground up.
FLOORS = {
    "broker": (
        *("limits", "log_lines", "figures", "storage", "world", "config", "session", "waiting"),
        "log",
        *("cluster", "security", "directory", "groups", "transactions", "partitions", "broker"),
        *("faults", "apis", "dispatch", "connections", "runtime", "metrics"),
    ),
    "protocol": (
        *("sequence", "varint", "compression", "batch", "errors", "configs", "api_names", "apis"),
        "sasl",
        *("codec", "messages", "header", "framing", "connection", "consumer_protocol"),
    ),
    "client": (
        *("partitions", "figures", "door", "config", "errors", "security"),
        *("cluster", "produce", "session", "fetch"),
        *("group", "administer", "admin", "commits", "consumer", "transaction"),
        *("producer", "processing", "in_thread"),
        *("blocking", "prometheus"),
    ),
    "console": (*("settings", "showing", "reading", "guard", "pages", "lesson", "app", "running"),),
    "cli": (
        *(
            "terminal",
            "asking",
            "deviation",
            "security_deviations",
            "transaction_deviations",
            "deviations",
            "config_file",
            "showing",
            "data_directory",
            "producing",
            "comparing",
            "graduating",
        ),
        *("probing", "commands", "parsers", "completion", "main"),
    ),
}
# Names of files in texts: what is written on the command line, or in a sample, is none.
NAMED = re.compile(r"(?<![\w/.*<>-])(?:[\w-]+/)*[a-z_0-9]+\.py\b(?!\w)")
NO_FILES = {"a.py", "records.py", "misspelt.py", "test_failing.py", "__main__.py", "__init__.py"}
PRODUCT = {"broker", "cli", "client", "console", "protocol", "testing"}


LISTED = repository_paths()


def room_of(path: PurePosixPath) -> str:
    return path.parts[1].removesuffix(".py")


def imported(path: PurePosixPath, text: str) -> Iterator[tuple[int, PurePosixPath]]:
    """(line, file or folder) of what a module imports from its own package, types included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1]
            module = base.joinpath(*(node.module or "").split("."))
            for alias in node.names:
                submodule = module / alias.name
                is_module = f"{submodule}.py" in LISTED or f"{submodule}/__init__.py" in LISTED
                yield node.lineno, submodule if is_module else module


def arrows(package: str) -> Iterator[tuple[str, str, str]]:
    """(room, room, where) of every import between two rooms of a package."""
    for name in LISTED:
        path = PurePosixPath(name)
        if path.parts[0] == package and path.suffix == ".py" and path.name != "__init__.py":
            text = (ROOT / name).read_text(encoding="utf-8")
            for line, target in imported(path, text):
                if target.parts[0] == package and len(target.parts) > 1:
                    here, there = room_of(path), room_of(target)
                    if here != there:
                        yield here, there, f"{name}:{line}"


@pytest.mark.parametrize("package", FLOORS)
def test_no_import_runs_back_up(package: str) -> None:
    floors = {room: floor for floor, room in enumerate(FLOORS[package])}
    drawn = list(arrows(package))
    assert drawn
    unknown = {room for arrow in drawn for room in arrow[:2]} - set(floors)
    assert not unknown, f"name these rooms in FLOORS: {sorted(unknown)}"
    up = [f"{at}: {here} -> {there}" for here, there, at in drawn if floors[here] < floors[there]]
    assert not up, "\n" + "\n".join(up)


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    entries: dict[str, set[str]] = {}
    for name in LISTED:
        parts = PurePosixPath(name).parts
        for depth in range(1, len(parts)):
            entries.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    for quiet in ("__init__.py", "py.typed"):
        for each in entries.values():
            each.discard(quiet)
    long = {
        folder: len(each)
        for folder, each in entries.items()
        if len(each) > ENTRIES_MAX and folder not in LONG_LISTS
    }
    assert not long, f"give these rooms of their own: {long}"


def is_there(name: str, at: PurePosixPath) -> bool:
    """Whether a file that a text names is there: beside it, in its package, or from the root.

    For tests and docs it may be anywhere, as its own name says enough there.
    """
    places = (at.parent / name, PurePosixPath(at.parts[0]) / name, PurePosixPath(name))
    if any((ROOT / place).exists() for place in places):
        return True
    is_product = at.parts[0] in PRODUCT
    return not is_product and any(f"/{each}".endswith(f"/{name}") for each in LISTED)


def test_every_file_that_is_named_is_there() -> None:
    missing: list[str] = []
    for name in LISTED:
        path = PurePosixPath(name)
        if path.suffix not in (".py", ".md") or name in ("CHANGELOG.md", "tests/unit/test_tidy.py"):
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        named = {each for each in NAMED.findall(text) if PurePosixPath(each).name not in NO_FILES}
        missing += [f"{name}: {each}" for each in sorted(named) if not is_there(each, path)]
    assert not missing, "\n" + "\n".join(missing)


def test_every_api_that_is_served_has_a_handler() -> None:
    missing = [api.name for api in SERVED.values() if handler_file(api) not in LISTED]
    assert not missing


def test_every_room_is_in_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)["tool"]["setuptools"]["packages"]
    rooms = {
        f"minibroker.{name.removesuffix('/__init__.py').replace('/', '.')}"
        for name in LISTED
        if name.partition("/")[0] in PRODUCT and name.endswith("/__init__.py")
    }
    rooms -= {"minibroker.testing.pytest_entry"}  # a package of its own name
    assert rooms <= set(told)
