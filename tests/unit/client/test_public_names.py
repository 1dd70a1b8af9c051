"""minibroker.client offers its names to people, checkers and consoles; none is imported unasked."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import minibroker.client
import minibroker.testing
import pytest
from minibroker.protocol.messages.produce import ProduceRequest

BOUND_S = 60
FACES = [minibroker.client, minibroker.testing]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_checkers_and_python_are_told_the_same_names(face: object) -> None:
    text = Path(str(inspect.getsourcefile(face))).read_text()  # type: ignore[arg-type]
    (checked,) = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imported = {
        alias.name: "." * node.level + (node.module or "")
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == face.HOMES  # type: ignore[attr-defined]
    assert sorted(imported) == sorted(face.__all__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", minibroker.client.__all__)
def test_every_name_is_there_and_completed(name: str) -> None:
    assert getattr(minibroker.client, name) is not None
    assert name in dir(minibroker.client)


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Prodcer'"):
        _ = minibroker.client.Prodcer  # type: ignore[attr-defined]


def test_the_version_is_the_distributions() -> None:
    assert minibroker.client.__version__ == version("minibroker")


def test_no_name_is_imported_before_it_is_used() -> None:
    code = """if True:
        import sys, minibroker.client
        dir(minibroker.client)
        ours = {name for name in sys.modules if name.startswith("minibroker.")}
        assert ours == {"minibroker.client"}, ours
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=BOUND_S)


def test_help_lists_what_there_is() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import minibroker.client; help(minibroker.client)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND_S,
    ).stdout
    assert "class Producer" in shown
    assert "EARLIEST = -2" in shown


def test_python_runs_the_package_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "minibroker", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND_S,
    )
    assert done.stdout == f"minibroker {version('minibroker')}\n"


def test_a_message_shows_its_fields_as_a_signature() -> None:
    names = ["transactional_id", "acks", "timeout_ms", "topic_data"]
    assert [*inspect.signature(ProduceRequest).parameters] == names
