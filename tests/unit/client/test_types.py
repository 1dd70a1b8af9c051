"""A type checker sees every type of the public API, refuses what is wrong, and meets no Any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SAMPLE = Path(__file__).with_name("sample_program.py")
TIMEOUT_S = 120


def test_a_users_program_is_typed_through_and_through() -> None:
    """--disallow-any-expr complains about every expression whose type has an Any in it."""
    subprocess.run(["make", "-s", "build/types/minibroker"], cwd=ROOT, check=True)
    strict = ["--strict", "--disallow-any-expr", "--follow-imports=silent"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *strict, str(SAMPLE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
