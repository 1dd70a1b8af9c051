"""`minibroker demo --story` with the libraries of others: the same pictures."""

from __future__ import annotations

import subprocess
import sys

import pytest
from minibroker.cli.showing.story_scenes import SCENES
from minibroker.console.lesson.producers.process import CLIENTS

pytestmark = pytest.mark.interop
RUN = "import sys; from minibroker.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "ours"])
def test_the_story_is_as_told(client: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "demo", "--story", "--fast", "--client", client],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("The log, read back:") == len(SCENES)
