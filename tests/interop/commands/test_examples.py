"""The examples pass as they are, and their fault tests fail when nothing goes wrong.

A fault test that passes without its fault would prove nothing: the same tests are run with faults
that are never armed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest_plugins = "pytester"
pytestmark = pytest.mark.interop  # clients that others have made

ROOT = Path(__file__).parents[3]
OPTIONS = ("-p", "no:minibroker", "-p", "minibroker.testing.pytest_plugin", "-q", "-rf")
BOUND_S = 300  # a bound for busy machines

# What `kafka_faults` arms never reaches the broker.
DISARMED = """
from minibroker.testing import child_broker

def arm(self, rule):
    fault = child_broker.RemoteFault(rule, 0, self._broker)
    self._armed.append(fault)
    return fault

child_broker.RemoteFaults.arm = arm
"""
NEVER_REACHED = ["*wait_reached*"]
EXAMPLES = [
    (
        *("order_service", 2, 2),
        ["*faults that never fired: lose_reply(*", "*DID NOT RAISE*AssertionError*"],
    ),
    ("outbox_relay", 1, 2, NEVER_REACHED),
    ("log_shipper", 1, 1, NEVER_REACHED),
]


@pytest.mark.parametrize(("name", "plain", "with_faults", "said"), EXAMPLES)
def test_an_example_passes_and_fails_without_its_faults(
    pytester: pytest.Pytester, name: str, plain: int, with_faults: int, said: list[str]
) -> None:
    for file in (ROOT / "examples" / name).glob("*.py"):
        shutil.copy(file, pytester.path)
        assert len(file.read_text().splitlines()) < 100
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    result.assert_outcomes(passed=plain + with_faults)
    pytester.makeconftest(DISARMED)
    result = pytester.runpytest_subprocess(*OPTIONS, timeout=BOUND_S)
    result.assert_outcomes(passed=plain, failed=with_faults)
    result.stdout.fnmatch_lines_random(said)
