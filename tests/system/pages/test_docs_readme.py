"""EDGE: the README's Python blocks run, twice in a row, and print what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from minibroker.testing import ChildBroker

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[3]
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/package.md")
}
OPTIONS = ("-p", "minibroker.testing.pytest_plugin", "-q")
BOUND_S = 300  # a bound for busy machines
YOUR_CODE = """
from kafka import KafkaProducer

def place_orders(servers, topic, orders):
    producer = KafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
    for order in orders:
        producer.send(topic, order).get(10)
    producer.close()

def place_order(servers, topic, order):
    place_orders(servers, topic, [order])
"""


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_programs_run_twice_in_a_row(page: str) -> None:
    with ChildBroker() as broker:
        for code in blocks(page):
            if "def test_" in code:
                continue
            program = code.replace("127.0.0.1:9092", broker.bootstrap_servers)
            program = program.replace("consumer_timeout_ms=5000", "consumer_timeout_ms=1500")
            for _ in range(2):
                done = subprocess.run(
                    [sys.executable, "-c", program],
                    capture_output=True,
                    text=True,
                    timeout=BOUND_S,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
                if "KafkaConsumer" in code:
                    assert done.stdout.splitlines()[1] == "[b'hello']"


@pytest.mark.parametrize("page", PAGES)
def test_tests_pass(page: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    tests = [code for code in blocks(page) if "def test_" in code]
    assert tests
    pytester.makepyfile(YOUR_CODE + "\n".join(tests))
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    result.assert_outcomes(passed=len(tests))


def test_what_a_package_index_shows_needs_no_file_beside_it() -> None:
    assert not re.findall(r"\]\((?!https?:)", PAGES["docs/package.md"])
