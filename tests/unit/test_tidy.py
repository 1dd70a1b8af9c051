"""The style of this code base as a test: what may import what, lengths, docstrings, names.

Each rule is a function from one file to its complaints; the last test gives each rule a small
sample that breaks it, so that a rule which sees nothing is itself seen. Rules read the files git
tracks, or all files where there is no git.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest

from tests.support.repository import ROOT, repository_paths

FILE_LINES_MAX = 500
# file -> what writes it; people read that
WRITTEN = {"client/blocking.py": "tests/support/pages/blocking_face.py"}
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 100
DOCSTRING_LINES_MAX = 15

# broker -> protocol <- client. The command line stands on everything and nothing on it.
MAY_IMPORT = {
    "protocol": {"protocol"},
    "broker": {"broker", "protocol"},
    "client": {"client", "protocol"},
    "testing": {"testing", "broker", "client", "protocol"},
    "console": {"console", "testing", "client", "protocol"},
    "cli": {"cli", "console", "testing", "broker", "client", "protocol"},
}
# The world outside: only files that say EDGE in the first line of their docstring may touch it.
EDGE_MODULES = {
    *("asyncio", "concurrent", "fcntl", "mmap", "multiprocessing", "os", "random", "secrets"),
    *("select", "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "uvloop"),
}
PROTOCOL_LIBRARIES = {"construct", "crc32c", "cramjam", "lz4", "zstandard"}
BANNED_WORDS = {"manager", "helper", "helpers", "util", "utils"}
BANNED = re.compile("(?i)manager|helper|util")  # names that may have one of them
MUTABLE_CALLS = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "count"}
WIRE_DECORATORS = {"struct", "request", "response"}
# what Kafka's world calls it: "process" is consume, transform, produce
NAMES_OF_THE_TRADE = {
    ("client/processing/process.py", "process"),
    ("client/in_thread/processing.py", "process"),
    ("tests/support/process_worlds/world_loop.py", "_process_events"),  # as asyncio calls it
}
# folder -> where the modules in it are tested, all alike
FOLDERS_TESTED = {
    "protocol/messages": "tests/unit/protocol/test_golden_frames.py",
    "broker/apis": "tests/system/answers/test_admin_answers.py",
}
# file -> why nothing better than sleeping works there
SLEEPS_ALLOWED = {
    "tests/support/in_loop/looking.py": "how tests wait where no event tells them",
    "tests/support/sessions/session_process.py": "its time is simulated",
    "tests/support/security/rows.py": "a login expires by the time of a broker, a real Kafka too",
    "tests/interop/console/driving.py": "how fast pages are asked for is the load",
    "tests/interop/groups/mixed_group.py": "the instants of kills and looks are the draw",
    "tests/unit/testing/test_proxy.py": "no event says that bytes have stopped flowing elsewhere",
    "tests/crash/test_kill_during_rebalance.py": "the instant is the draw; brokers tell no state",
    "tests/system/client/test_client_member_worlds.py": "how long an application is busy is drawn",
    "tests/system/client/test_client_process.py": "how long a handler takes is what is tested",
    "tests/crash/sessions/sending.py": "how fast lines come is the draw",
    "tests/support/process_worlds/process_world.py": "time is simulated",
    "tests/support/process_worlds/workers.py": "time is simulated",
    "tests/support/process_worlds/world_loop.py": "time is simulated",
    "tests/crash/processing/run.py": "the instants of blows and looks are the draw",
    "tests/crash/processing/node_deaths.py": "the instants of blows are the draw",
    "tests/crash/processing/worker.py": "how long a handler takes is the draw",
    "tests/system/commands/test_docker_compose.py": "a Prometheus does not say that it has looked",
    "tests/interop/commands/graduating.py": "sends at a rate, waits for other processes",
    "tests/support/answers/offsets_topic_answers.py": "no broker says when coordinators are there",
    "tests/bench/parts/flushing.py": "how long a sleep takes is what is measured",
    "tests/bench/parts/scraping.py": "how long turns are while nobody scrapes is what is measured",
    "tests/bench/parts/slow_broker.py": "it is a disk that takes its time",
    "tests/bench/parts/consuming.py": "a broker does not say when its coordinator is there",
    "tests/bench/parts/transacting.py": "at which rate producers begin is what is asked for",
}
# Written with [x] so that the pattern does not find itself.
OUTSIDE_WORDS = {
    r"(?<!\w)share[d]/": "name nothing that lies outside the repository",
    r"kafka-(answer[s]|protoco[l]|message[s])\.md|(kafka|docker)-la[b]\b": "cite Kafka's own"
    " source or a KIP instead of a page that is not in the repository",
    r"(?<![\w.])/(wor[k]|hom[e]|roo[t]|User[s])/\w": "write no path of one machine",
    r"pyp[i]\.org|pythonhoste[d]|index-ur[l]|rep[o]1?\.maven|registry\.npmj[s]|golan[g]\.org": (
        "leave the choice of a package registry to the machine"
    ),
}


class Complaint(NamedTuple):
    line: int
    what_to_do: str


class Source:
    """One file, by its path in the repository, parsed on demand."""

    def __init__(self, path: str, text: str) -> None:
        self.path = PurePosixPath(path)
        self.text = text
        self.package = self.path.parts[0] if self.path.parts[0] in MAY_IMPORT else ""

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text if self.path.suffix == ".py" else "")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All of the tree; ast.walk takes three times as long."""
        found: list[ast.AST] = [self.tree]
        for node in found:
            for value in vars(node).values():
                if isinstance(value, ast.AST):
                    found.append(value)
                elif isinstance(value, list):
                    found += [each for each in value if isinstance(each, ast.AST)]
        return found

    @cached_property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in self.nodes if isinstance(node, kinds)]

    @property
    def is_edge(self) -> bool:
        return "EDGE" in self.docstring.partition("\n")[0]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield (line, dotted name) of each import, relative ones from minibroker on."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                here = ("minibroker", *self.path.parts[:-1])
                base = here[: len(here) - node.level + 1] if node.level else ()
                module = ".".join((*base, *([node.module] if node.module else [])))
                if module in ("minibroker", "random"):
                    yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
                else:
                    yield node.lineno, module


def imports_follow_the_arrows(source: Source) -> Iterator[Complaint]:
    allowed = MAY_IMPORT.get(source.package, set(MAY_IMPORT))
    for line, name in source.imports():
        root, _, rest = name.partition(".")
        if root == "minibroker" and rest.partition(".")[0] not in allowed:
            yield Complaint(line, f"{source.package} may import only {sorted(allowed)}, not {rest}")
        foreign = root not in sys.stdlib_module_names | PROTOCOL_LIBRARIES | {"minibroker"}
        if source.package == "protocol" and foreign:
            yield Complaint(line, f"protocol/ stands on few libraries, and {root} is none of them")


def only_edges_touch_the_world(source: Source) -> Iterator[Complaint]:
    if not source.package or source.is_edge:
        return
    hint = "move it to a file whose docstring's first line says EDGE, or take a value instead"
    only_types = {
        line
        for node in source.nodes
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    for line, name in source.imports():
        is_type = line in only_types or name == "random.Random"
        if name.partition(".")[0] in EDGE_MODULES and not is_type:
            yield Complaint(line, f"{name} is the world outside: {hint}")
    for node in source.nodes:
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith | ast.AsyncFunctionDef):
            yield Complaint(node.lineno, f"await is for the edges: {hint}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name != "open" and ast.unparse(node) != "Random()":
                continue
            yield Complaint(node.lineno, f"{name}() is the world outside: {hint}")


def files_functions_and_lines_are_short(source: Source) -> Iterator[Complaint]:
    lines = source.text.splitlines()
    if source.path.suffix != ".py":
        return
    if len(lines) > FILE_LINES_MAX and str(source.path) not in WRITTEN:
        yield Complaint(len(lines), f"split it: more than {FILE_LINES_MAX} lines")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield Complaint(number, f"break it: more than {COLUMNS_MAX} columns")
    for function in source.functions:
        length = (function.end_lineno or 0) - function.lineno + 1
        if length > FUNCTION_LINES_MAX and str(source.path) not in WRITTEN:
            text = f"split {function.name}: {length} lines, more than {FUNCTION_LINES_MAX}"
            yield Complaint(function.lineno, text)


def constants_have_one_value(source: Source) -> Iterator[Complaint]:
    """A name with two meanings takes the later one everywhere, and nobody is told."""
    seen: set[str] = set()
    for node in source.tree.body:
        targets = [*node.targets] if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AnnAssign) else []
        for name in (each.id for each in targets if isinstance(each, ast.Name)):
            if name in seen and name.isupper():
                yield Complaint(node.lineno, f"{name} has a value already: give it another name")
            seen.add(name)


def files_open_with_a_short_docstring(source: Source) -> Iterator[Complaint]:
    if source.path.suffix != ".py":
        return
    if not source.docstring:
        yield Complaint(1, "say in a docstring what lives here, what not, and what to read next")
    elif len(source.docstring.splitlines()) > DOCSTRING_LINES_MAX:
        yield Complaint(1, f"cut the file's docstring to {DOCSTRING_LINES_MAX} lines")


def public_names_have_docstrings(source: Source) -> Iterator[Complaint]:
    """Wire structs leave the words to Kafka; methods to the class they derive from or implement."""
    if not source.package:
        return
    scopes: list[ast.Module | ast.ClassDef] = [source.tree]
    for scope in scopes:
        for node in scope.body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            marks = {ast.unparse(mark).partition("(")[0] for mark in node.decorator_list}
            if node.name.startswith("_") or marks & {*WIRE_DECORATORS, "overload"}:
                continue
            if not ast.get_docstring(node) and not any(mark.endswith("setter") for mark in marks):
                yield Complaint(node.lineno, f"say in a docstring what {node.name} does or is")
            stands_alone = "Implements " not in (ast.get_docstring(node) or "")
            if isinstance(node, ast.ClassDef) and not node.bases and stands_alone:
                scopes.append(node)


def names_say_what_things_do(source: Source) -> Iterator[Complaint]:
    names = [(1, part) for part in source.path.with_suffix("").parts]
    for node in source.nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.append((node.lineno, name))
                is_public_name = (str(source.path), name) in NAMES_OF_THE_TRADE
                says_nothing = name.strip("_").split("_")[0] == "process" and not is_public_name
                if name.strip("_") == "handle_data" or says_nothing:
                    yield Complaint(node.lineno, f"{name} says nothing: which work is it?")
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                names.append((node.lineno, name))
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.append((node.lineno, name))
    for line, name in names:
        if not BANNED.search(name):
            continue
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
        for word in BANNED_WORDS.intersection(words):
            yield Complaint(line, f"{name}: {word!r} says nothing; name the thing or the work")


def _is_typed(keywords: ast.arg | None) -> bool:
    """Whether a TypedDict names the arguments: `**scope: Unpack[Scope]`."""
    if keywords is None or keywords.annotation is None:
        return False
    return ast.unparse(keywords.annotation).startswith("Unpack[")


def keywords_are_not_passed_through(source: Source) -> Iterator[Complaint]:
    for function in source.functions if source.package else ():
        taken = function.args.kwarg.arg if function.args.kwarg else None
        if _is_typed(function.args.kwarg):
            continue
        for call in ast.walk(function) if taken else ():
            passed = call.keywords if isinstance(call, ast.Call) else []
            if any(each.arg is None and ast.unparse(each.value) == taken for each in passed):
                text = f"{function.name} passes **{taken} on: name the arguments it takes"
                yield Complaint(function.lineno, text)


def modules_keep_no_mutable_state(source: Source) -> Iterator[Complaint]:
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield Complaint(node.lineno, "no global: give the state an owner and pass it")
    for node in source.tree.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            targets, value = [node.target], node.value
        else:
            continue
        made = value.func if isinstance(value, ast.Call) else None
        literals = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
        calls_mutable = made and ast.unparse(made).rpartition(".")[2] in MUTABLE_CALLS
        for name in map(ast.unparse, targets):
            constant = name.isupper() or name in ("__all__", "pytestmark")
            if (isinstance(value, literals) or calls_mutable) and not constant:
                text = f"{name} is mutable: a constant table is UPPER_CASE, state has an owner"
                yield Complaint(node.lineno, text)


def no_test_sleeps(source: Source) -> Iterator[Complaint]:
    if source.path.parts[0] != "tests" or str(source.path) in SLEEPS_ALLOWED:
        return
    for node in source.nodes if "sleep(" in source.text else ():
        if isinstance(node, ast.Call):
            called = ast.unparse(node)
            if re.match(r"((time|asyncio)\.)?sleep\(", called) and called != "asyncio.sleep(0)":
                yield Complaint(node.lineno, "wait for the event itself, bounded; sleeps are flaky")


def modules_say_where_they_are_tested(source: Source) -> Iterator[Complaint]:
    """A unit test of the module's name, in the same folder below tests/unit, says it already."""
    if not source.package or source.path.suffix != ".py" or source.path.name == "__init__.py":
        return
    folder = source.path.parent
    own = ROOT / "tests" / "unit" / folder / f"test_{source.path.name}"
    tests = re.findall(r"^Tests: (.*)", source.docstring, re.MULTILINE)
    named = [name for line in tests for name in line.removesuffix(".").split(", ")]
    named += [FOLDERS_TESTED[str(folder)]] if str(folder) in FOLDERS_TESTED else []
    if not named and not own.exists():
        text = f"add {own.relative_to(ROOT)}, or say in the docstring 'Tests: tests/FILE.py'"
        yield Complaint(1, text)
    for name in named:
        if not name.startswith("tests/") or not (ROOT / name).is_file():
            yield Complaint(1, f"{name} is no file of tests: say which tests this module")


def nothing_outside_is_named(source: Source) -> Iterator[Complaint]:
    for pattern, what_to_do in OUTSIDE_WORDS.items():
        if not re.search(pattern, source.text):
            continue
        for number, line in enumerate(source.text.splitlines(), 1):
            if re.search(pattern, line):
                yield Complaint(number, what_to_do)


Rule = Callable[[Source], Iterator[Complaint]]
RULES: list[Rule] = [
    imports_follow_the_arrows,
    only_edges_touch_the_world,
    files_functions_and_lines_are_short,
    constants_have_one_value,
    files_open_with_a_short_docstring,
    public_names_have_docstrings,
    names_say_what_things_do,
    keywords_are_not_passed_through,
    modules_keep_no_mutable_state,
    no_test_sleeps,
    modules_say_where_they_are_tested,
    nothing_outside_is_named,
]


@pytest.fixture(scope="module")
def complaints() -> dict[Rule, list[str]]:
    """Of all files, one after the other: all their trees at once would be millions of objects."""
    found: dict[Rule, list[str]] = {rule: [] for rule in RULES}
    for path in repository_paths():
        try:
            source = Source(path, (ROOT / path).read_text(encoding="utf-8"))
        except (FileNotFoundError, UnicodeDecodeError):
            continue  # removed but not yet committed; or a picture, a segment, a frame
        for rule in RULES:
            found[rule] += [f"{path}:{line} {what_to_do}" for line, what_to_do in rule(source)]
    return found


@pytest.mark.parametrize("rule", RULES)
def test_the_repository_is_tidy(rule: Rule, complaints: dict[Rule, list[str]]) -> None:
    assert not complaints[rule], "\n" + "\n".join(complaints[rule])


TESTED_DOC = '"""A.\n\nTests: tests/unit/test_tidy.py\n"""'
EDGE_DOC = '"""EDGE: x."""\n'
SAMPLES: list[tuple[Rule, str, str, str]] = [  # rule, path, text that breaks it, the same mended
    (imports_follow_the_arrows, "broker/a.py", "from ..client import x", "from . import x"),
    (imports_follow_the_arrows, "broker/apis/a.py", "from ...cli import x", "from ..log import x"),
    (imports_follow_the_arrows, "client/a.py", "from .. import broker", "from .. import protocol"),
    (imports_follow_the_arrows, "testing/a.py", "import minibroker.cli", "from ..client import x"),
    (imports_follow_the_arrows, "protocol/a.py", "import rich", "import construct, struct"),
    (only_edges_touch_the_world, "broker/a.py", "import os.path", EDGE_DOC + "import os.path"),
    (only_edges_touch_the_world, "client/a.py", "from time import time", "def f(now_ms): ..."),
    (
        only_edges_touch_the_world,
        "broker/a.py",
        "import asyncio",
        "if TYPE_CHECKING:\n    import asyncio",
    ),
    (only_edges_touch_the_world, "broker/a.py", "async def f(): ...", "def f(): ..."),
    (only_edges_touch_the_world, "cli/a.py", "open('x')", "log.open('x')"),
    (only_edges_touch_the_world, "broker/a.py", "import random", "from random import Random"),
    (only_edges_touch_the_world, "broker/a.py", "Random()", "Random(seed)"),
    (files_functions_and_lines_are_short, "cli/a.py", "x = 1\n" * 501, "x = 1\n" * 500),
    (
        files_functions_and_lines_are_short,
        "cli/a.py",
        "def f():\n" + " x = 1\n" * 60,
        "def f():\n" + " x = 1\n" * 59,
    ),
    (files_functions_and_lines_are_short, "cli/a.py", "#" * 101, "#" * 100),
    (constants_have_one_value, "broker/a.py", "A_MAX = 1\nA_MAX = 2", "A_MAX = 1\nB_MAX = 2"),
    (files_open_with_a_short_docstring, "tests/a.py", "x = 1", '"""A."""'),
    (
        files_open_with_a_short_docstring,
        "cli/a.py",
        '"""' + "a\n" * 16 + '"""',
        '"""' + "a\n" * 15 + '"""',
    ),
    (public_names_have_docstrings, "cli/a.py", "def f(): ...", "def _f(): ..."),
    (
        public_names_have_docstrings,
        "broker/a.py",
        'class A:\n "D."\n def f(self): ...',
        'class A(B):\n "D."\n def f(self): ...',
    ),
    (
        public_names_have_docstrings,
        "protocol/a.py",
        "@frozen(1)\nclass A: ...",
        "@request(API)\nclass A: ...",
    ),
    (names_say_what_things_do, "broker/log_utils.py", "", ""),
    (names_say_what_things_do, "broker/a.py", "class LogManager: ...", "class Log: ..."),
    (names_say_what_things_do, "broker/a.py", "self.x_helper = 1", "self.x = 1"),
    (names_say_what_things_do, "broker/a.py", "def process_request(): ...", "process = Popen()"),
    (names_say_what_things_do, "broker/a.py", "def handle_data(): ...", "def data_received(): ..."),
    (
        keywords_are_not_passed_through,
        "cli/a.py",
        "def f(**options):\n g(1, **options)",
        "def f(*, depth, colour):\n g(1, depth=depth)",
    ),
    (modules_keep_no_mutable_state, "cli/a.py", "seen = set()", "SEEN = {1, 2}"),
    (modules_keep_no_mutable_state, "cli/a.py", "seen: dict[int, int] = {}", "seen = (1, 2)"),
    (modules_keep_no_mutable_state, "cli/a.py", "def f():\n global x", "def f():\n nonlocal x"),
    (no_test_sleeps, "tests/a.py", "time.sleep(0.1)", "event.wait(0.1)"),
    (
        no_test_sleeps,
        "tests/a.py",
        "async def f():\n await asyncio.sleep(1)",
        "async def f():\n await asyncio.sleep(0)",
    ),
    (modules_say_where_they_are_tested, "broker/a.py", '"""A."""', TESTED_DOC),
    (
        modules_say_where_they_are_tested,
        "broker/a.py",
        TESTED_DOC.replace("test_tidy", "test_none"),
        TESTED_DOC,
    ),
    (nothing_outside_is_named, "README.md", "see ../share" + "d/x", "see docs/x"),
    (nothing_outside_is_named, "a.py", "# as kafka-answer" + "s.md has it", "# as KIP-98 has it"),
    (nothing_outside_is_named, "Makefile", "cd /roo" + "t/x", "cd build/root/x"),
    (nothing_outside_is_named, "Dockerfile", "pip --index-ur" + "l=x", "pip install x"),
]


@pytest.mark.parametrize(("rule", "path", "broken", "mended"), SAMPLES)
def test_each_rule_sees_what_breaks_it(rule: Rule, path: str, broken: str, mended: str) -> None:
    assert list(rule(Source(path, broken)))
    assert not list(rule(Source(path.replace("_utils", ""), mended)))


def test_every_rule_has_a_sample() -> None:
    assert {sample[0] for sample in SAMPLES} == set(RULES)
