"""`minibroker demo` from outside, and what it says when it cannot run."""

from __future__ import annotations

import subprocess
import sys

import pytest
from minibroker.cli.main import main
from minibroker.console.lesson.producers import process

RUN = "import sys; from minibroker.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("options", [(), ("--client", "kafka-python")])
def test_the_demo_shows_duplicates_without_idempotence_and_none_with_it(
    options: tuple[str, ...],
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "demo", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "kill -9" in done.stderr
    rows = [row.split() for row in done.stdout.splitlines()]
    (counts,) = [row[1:] for row in rows if row[:1] == ["duplicates"]]
    assert int(counts[0]) > 0
    assert int(counts[1]) == 0


@pytest.mark.parametrize("options", [(), ("--story", "--fast")])
@pytest.mark.parametrize(
    ("client", "distribution"),
    [
        ("kafka-python", "kafka-python"),
        ("aiokafka", "aiokafka"),
        ("confluent", "confluent-kafka"),
    ],
)
def test_without_the_library_it_says_what_to_install(
    client: str,
    distribution: str,
    options: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(process, "find_spec", lambda name: None)
    assert main(["demo", "--client", client, *options]) == 2
    assert capsys.readouterr().err == (
        f"minibroker demo needs {distribution}: pip install {distribution}\n"
    )
