"""EDGE: writes client/blocking.py from the asyncio faces: the same signatures and docstrings.

    python -m tests.support.pages.blocking_face        (make blocking)

Each public method becomes one that passes its arguments on to the asyncio object in a loop of its
own thread. What a signature or a docstring must say differently stands in the tables here.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

CLIENT = Path(__file__).parents[3] / "client"
TARGET = CLIENT / "blocking.py"

OPENING = '''"""The blocking face: Producer, Consumer, Admin and process() without await.

    from minibroker.client.blocking import Consumer, Producer

    with Producer("127.0.0.1:9092") as producer:
        print(producer.send_and_wait("orders", b"value").offset)

Each object has an event loop in a thread of its own (in_thread/loop_thread.py), so that it can be
used from scripts, threads, Django and beside a running loop, as in Jupyter. Names, options and
errors are those of the asyncio faces, which do the work. Written by
tests/support/pages/blocking_face.py (`make blocking`): change those, not this file.
Tests: tests/system/client/test_client_blocking.py
"""

from __future__ import annotations

'''


class Face(NamedTuple):
    """A class to write: from which classes its methods come, its docstring's first."""

    name: str
    sources: tuple[tuple[str, str], ...]
    is_generic: bool = False
    is_iterated: bool = False


FACES = (
    Face("Producer", (("producer", "Producer"),), is_generic=True),
    Face(
        "Consumer",
        (("consumer", "Consumer"), ("commits", "Commits")),
        is_generic=True,
        is_iterated=True,
    ),
    Face("Admin", (("admin", "Admin"), ("administer/access", "Access"))),
)
SAID_OTHERWISE = {
    "made inside a running loop, started by `async with` or start()": "started by `with`",
    "; made inside a running loop.": "; started by `with`.",
    "nothing: `async with` it": "nothing: `with` it",
    "what to await for the receipt": "what waits for the receipt",
}
TYPES = {"SSLContext": "from ssl import SSLContext"}  # of the world outside: only for checkers
# method -> how its result is wrapped; parameter -> how it is
WRAPPED = {
    "send": "Delivery(self._loop, {})",
    "session": "Session(self._loop, {})",
    "transaction": "Transaction(self._loop, {})",
}
PARAMETERS = {"listener": "None if listener is None else InThreads(listener)"}


def written() -> str:
    """The text of client/blocking.py."""
    bodies = [_face(face) for face in FACES]
    text = "\n\n".join(bodies)
    unformatted = OPENING + _imports(text) + "\n\n" + text
    for command in (["check", "--fix", "--select", "I", "-"], ["format", "-"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command[:-1], "--stdin-filename", str(TARGET), "-"],
            input=unformatted,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        unformatted = done.stdout
    return unformatted


def _face(face: Face) -> str:
    classes = [_class_of(module, name) for module, name in face.sources]
    doc = _otherwise(ast.get_docstring(classes[0]) or "")
    base = "(Generic[K, V])" if face.is_generic else ""
    lines = [f"class {face.name}{base}:", _docstring(doc, 4), ""]
    lines += _constructor(face.name, _method(classes, "__init__"))
    for each in _methods(classes):
        lines += _passed_on(each)
    lines += _life(face)
    return "\n".join(lines)


def _constructor(name: str, init: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        f"    def __init__({ast.unparse(init.args)}) -> None:",
        f"        {ast.unparse(init.body[0])}",  # passwords are hidden before anything can fail
        f'        self._loop = LoopThread("{name.lower()}")',
        f"        self._inner: {_generic(name)} = self._loop.make(",
        f"            lambda: _async.{name}({_arguments(init.args)})",
        "        )",
        "",
    ]


def _generic(name: str) -> str:
    return f"_async.{name}[K, V]" if name != "Admin" else "_async.Admin"


def _passed_on(method: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    doc = _docstring(_otherwise(ast.get_docstring(method) or ""), 8)
    returns = ast.unparse(method.returns) if method.returns is not None else "None"
    is_property = any(ast.unparse(each) == "property" for each in method.decorator_list)
    call = f"self._inner.{method.name}" + ("" if is_property else f"({_arguments(method.args)})")
    verb = "run" if isinstance(method, ast.AsyncFunctionDef) else "do"
    # A function without parameters is passed on as it is.
    work = call.removesuffix("()") if call.endswith("()") else f"lambda: {call}"
    result = WRAPPED.get(method.name, "{}").format(f"self._loop.{verb}({work})")
    keyword = "" if returns == "None" else "return "
    lines = ["    @property"] if is_property else []
    lines += [f"    def {method.name}({ast.unparse(method.args)}) -> {returns}:", doc]
    for each in (*method.args.args, *method.args.kwonlyargs):
        if each.arg == "password":
            lines.append("        password = hidden(password)")
    if method.name == "stop":
        lines += [
            "        if not self._loop.is_open:",
            "            return",
            "        try:",
            f"            {result}",
            "        finally:",
            "            self._loop.close()",
        ]
    else:
        lines.append(f"        {keyword}{result}")
    return [*lines, ""]


def _life(face: Face) -> list[str]:
    lines = [
        "    def __enter__(self) -> Self:",
        "        try:",
        "            self.start()",
        "        except BaseException:",
        "            self._loop.close()",
        "            raise",
        "        return self",
        "",
        "    def __exit__(",
        "        self,",
        "        kind: type[BaseException] | None,",
        "        error: BaseException | None,",
        "        trace: TracebackType | None,",
        "    ) -> None:",
        "        if not self._loop.is_open:",
        "            return",
        "        try:",
        "            self._loop.run(lambda: self._inner.__aexit__(kind, error, trace))",
        "        finally:",
        "            self._loop.close()",
        "",
        "    def __del__(self) -> None:",
        '        if hasattr(self, "_loop"):',
        "            self._loop.dropped()",
        "",
    ]
    if face.is_iterated:
        lines += [
            "    def __iter__(self) -> Self:",
            "        return self",
            "",
            "    def __next__(self) -> ConsumerRecord[K, V]:",
            "        try:",
            "            return self._loop.run(self._inner.__anext__)",
            "        except StopAsyncIteration:",
            "            raise StopIteration from None",
            "",
        ]
    return lines


def _arguments(given: ast.arguments) -> str:
    """The parameters as arguments of a call that passes them on."""
    names = [each.arg for each in (*given.posonlyargs, *given.args) if each.arg != "self"]
    passed = [_converted(name) for name in names]
    if given.vararg is not None:
        passed.append(f"*{given.vararg.arg}")
    passed += [f"{each.arg}={_converted(each.arg)}" for each in given.kwonlyargs]
    if given.kwarg is not None:
        passed.append(f"**{given.kwarg.arg}")
    return ", ".join(passed)


def _converted(name: str) -> str:
    return PARAMETERS.get(name, name)


def _methods(classes: list[ast.ClassDef]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    seen = set()
    for each in classes:
        for node in each.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                is_public = not node.name.startswith("_") and node.name not in seen
                if is_public and not any(ast.unparse(d) == "overload" for d in node.decorator_list):
                    seen.add(node.name)
                    yield node


def _method(classes: list[ast.ClassDef], name: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    for each in classes:
        for node in each.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return node
    raise LookupError(name)


def _class_of(module: str, name: str) -> ast.ClassDef:
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{module}.{name}")


def _tree(module: str) -> ast.Module:
    return ast.parse((CLIENT / f"{module}.py").read_text(encoding="utf-8"))


def _docstring(text: str, indent: int) -> str:
    margin = " " * indent
    lines = [f"{margin}{line}".rstrip() for line in f'"""{text}'.splitlines()]
    is_long = len(lines) > 1
    return "\n".join(lines) + (f'\n{margin}"""' if is_long else '"""')


def _otherwise(doc: str) -> str:
    """The docstring as it is true here; test_client_blocking.py sees what these tables left."""
    for said, instead in SAID_OTHERWISE.items():
        doc = doc.replace(said, instead)
    return doc


def _from_client(module: str, node: ast.ImportFrom) -> str:
    """What a module of the client imports from, as a file of the client's own folder names it."""
    if not node.level:
        return node.module or ""
    folder = PurePosixPath(module).parts[:-1]
    above = node.level - 1 - len(folder)
    within = folder[: len(folder) - node.level + 1] if above <= 0 else ()
    return "." * (1 + max(above, 0)) + ".".join((*within, *filter(None, [node.module])))


def _imports(text: str) -> str:
    """What the text names, imported as the asyncio faces do; and what this file adds."""
    known: dict[str, str] = {}
    for face in FACES:
        for module, _ in face.sources:
            for node in _tree(module).body:
                if isinstance(node, ast.ImportFrom):
                    source = _from_client(module, node)
                    for alias in node.names:
                        known[alias.name] = f"from {source} import {alias.name}"
                elif isinstance(node, ast.Assign):
                    source = "." + module.replace("/", ".")
                    for target in node.targets:
                        known[ast.unparse(target)] = f"from {source} import {ast.unparse(target)}"
    own = {
        "Delivery": "from .in_thread.parts import Delivery",
        "Session": "from .in_thread.session import Session",
        "Transaction": "from .in_thread.transaction import Transaction",
        "process": "from .in_thread.processing import process",
        "InThreads": "from .in_thread.parts import InThreads",
        "LoopThread": "from .in_thread.loop_thread import LoopThread",
        "_async": "import minibroker.client as _async",
        "Generic": "from typing import Generic",
        "Self": "from typing import Self",
        "TracebackType": "from types import TracebackType",
    }
    code = ast.parse(text)
    used = {each.id for each in ast.walk(code) if isinstance(each, ast.Name)} | {"process"}
    used -= TYPES.keys()
    lines = {
        (own | {k: v for k, v in known.items() if k not in own})[name]
        for name in used
        if name in own or name in known
    }
    parts = own.keys() & {"Delivery", "Session", "Transaction", "process"}
    names = sorted([*parts, *(face.name for face in FACES)])
    types = "".join(f"    {each}\n" for each in TYPES.values())
    lines.add("from typing import TYPE_CHECKING")
    block = f"\n\nif TYPE_CHECKING:\n{types}"
    return "\n".join(sorted(lines)) + block + f"\n\n__all__ = {names!r}\n"


def main() -> None:
    """Write the file."""
    TARGET.write_text(written(), encoding="utf-8")


if __name__ == "__main__":
    main()
