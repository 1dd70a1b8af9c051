"""A type checker sees every type of the public API, refuses what is wrong, and meets no Any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SAMPLE = Path(__file__).with_name("sample_program.py")
TIMEOUT_S = 120


MISSPELT = """
from minibroker.client import Prodcer, Consumr, Admn, EARLEST, ErorCode
from minibroker.testing import TestBrokr, ChildBrker, RemoteFalts, findngs, Provy
"""


def test_a_users_program_is_typed_through_and_through_and_a_misspelt_name_is_found(
    tmp_path: Path,
) -> None:
    """--disallow-any-expr complains about every expression whose type has an Any in it."""
    program = tmp_path / "misspelt.py"
    program.write_text(MISSPELT)
    done = mypy("--disallow-any-expr", str(SAMPLE), str(program))
    *found, last = done.stdout.splitlines()
    others = [line for line in found if program.name not in line or "has no attribute" not in line]
    assert not others, done.stdout + done.stderr
    assert last.startswith("Found 10 errors in 1 file (checked 2 source files)")


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Mypy as a user runs it, with every package of ours in sight."""
    subprocess.run(["make", "-s", "build/types/minibroker"], cwd=ROOT, check=True)
    return subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"),
            "--cache-dir=.mypy_cache/users",  # other options would spoil that of `make types`
            *arguments,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
