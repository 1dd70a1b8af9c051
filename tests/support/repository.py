"""EDGE: the files of this repository, for tests that look at all of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = re.compile(r"\..*|build|dist|__pycache__|.*\.egg-info")  # folders, where there is no git


def repository_paths() -> list[str]:
    """What git tracks or would; without git every file outside hidden and built folders."""
    git = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=False,
    )
    if git.returncode == 0 and git.stdout:
        listed = dict.fromkeys(git.stdout.rstrip("\0").split("\0"))
        return [path for path in listed if (ROOT / path).exists()]
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [str(path) for path in found if not any(map(NOT_OURS.fullmatch, path.parts[:-1]))]
