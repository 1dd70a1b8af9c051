"""EDGE: .ci/run finds an interpreter that runs; the shim of one that does not is none."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = (Path(__file__).parents[2] / ".ci" / "run").read_text(encoding="utf-8")
MINOR = sys.version_info[1]


def found(minor: int, path: Path, versions: Path) -> str | None:
    """What find_python prints for Python 3.`minor`."""
    function = re.search(r"^find_python\(\) \{.*?^\}", SCRIPT, re.MULTILINE | re.DOTALL)
    assert function is not None
    ended = subprocess.run(
        ["/bin/bash", "-c", f"set -euo pipefail\n{function[0]}\nfind_python {minor}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(path), "PYENV_ROOT": str(versions), "HOME": "/nonexistent"},
    )
    return ended.stdout.strip() if ended.returncode == 0 else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder of programs, in which the interpreter is a shim that runs nothing."""
    shims = tmp_path / "shims"
    shims.mkdir()
    shim = shims / f"python3.{MINOR}"
    shim.write_text("#!/bin/sh\necho 'no version of it is set' >&2\nexit 127\n")
    shim.chmod(0o755)
    return shims


def test_a_shim_is_none_and_the_version_behind_it_is_found(path: Path, tmp_path: Path) -> None:
    assert found(MINOR, path, tmp_path) is None
    real = tmp_path / "versions" / f"3.{MINOR}.9" / "bin" / "python"
    real.parent.mkdir(parents=True)
    real.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    real.chmod(0o755)
    assert found(MINOR, path, tmp_path) == str(real)


def test_an_interpreter_of_another_version_is_none(path: Path, tmp_path: Path) -> None:
    other = path / f"python3.{MINOR + 1}"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    assert found(MINOR + 1, path, tmp_path) is None
