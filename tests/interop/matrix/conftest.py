"""The report of a matrix run, at the end of what pytest prints."""

from __future__ import annotations

import pytest

from tests.interop.matrix.report import HEAD, Report

REPORT = pytest.StashKey[Report]()


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    """One for the whole run."""
    return pytestconfig.stash.setdefault(REPORT, Report())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, what became of the page, and what allow.txt lacks."""
    report = config.stash.get(REPORT, None)
    if report is None:
        return
    terminalreporter.section("clients that work with this broker")
    terminalreporter.write_line(HEAD + report.page().partition(HEAD)[2])
    terminalreporter.write_line(report.write())
    for line in report.lines_to_add():
        terminalreporter.write_line(f"passes; add to allow.txt: {line}")
