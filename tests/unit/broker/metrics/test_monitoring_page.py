"""docs/monitoring.md, the alerts and the dashboard are what the metrics say; each name is there."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from minibroker.broker.metrics.family import Family, Kind
from minibroker.broker.metrics.scrape import FAMILIES

from tests.support.metrics.well_known import JMX_EXPORTER, KAFKA_EXPORTER
from tests.support.pages import dashboard, monitoring_page

TOLD = "run: python -m tests.support.pages."
NAME = re.compile(r"\b(?:kafka|minibroker|process)_\w+")
LABELS = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"|(?:by|on|without)\s*\(([\w, ]*)\)")
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}


def series_names(family: Family) -> set[str]:
    """The names that a family's samples have."""
    if family.kind is Kind.HISTOGRAM:
        return {f"{family.name}{suffix}" for suffix in ("_bucket", "_count", "_sum")}
    if family.kind is Kind.SUMMARY:
        return {family.name, f"{family.name}_count", f"{family.name}_sum"}
    return {family.name}


THERE = PROCESS.union(*map(series_names, FAMILIES))
LABELS_THERE = {"le", "quantile", "job"}.union(*(each.labels for each in FAMILIES))


def test_the_page_and_the_alerts_are_what_the_metrics_say() -> None:
    assert monitoring_page.PAGE.read_text() == monitoring_page.written(), f"{TOLD}monitoring_page"
    assert monitoring_page.ALERTS.read_text() == monitoring_page.alerts(), f"{TOLD}monitoring_page"


def test_the_dashboard_is_what_its_list_says() -> None:
    assert dashboard.BOARD.read_text() == dashboard.written(), f"{TOLD}dashboard"


def test_every_family_is_named_once_and_says_what_it_is() -> None:
    names = [each.name for each in FAMILIES]
    assert len({*names}) == len(names)
    for each in FAMILIES:
        assert each.name.startswith(("kafka_", "minibroker_")), each.name
        assert each.meaning[0].isupper() or each.meaning[0].isdigit(), each.name
        assert not each.meaning.endswith("."), each.name
        assert bool(each.alert) == bool(each.because), each.name


def test_who_is_not_ours_has_a_name_that_others_know() -> None:
    known = KAFKA_EXPORTER.keys() | JMX_EXPORTER.keys()
    assert {each.name for each in FAMILIES if each.name.startswith("kafka_")} <= known


def expressions() -> list[str]:
    board: dict[str, Any] = json.loads(dashboard.BOARD.read_text())
    rules = yaml.safe_load(monitoring_page.ALERTS.read_text())["groups"][0]["rules"]
    shown = [each["expr"] for panel in board["panels"] for each in panel.get("targets", ())]
    return shown + [each["expr"] for each in rules]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_of_an_expression_is_there(expression: str) -> None:
    names = {*NAME.findall(expression)}
    assert names <= THERE
    assert names or "up" in expression
    labels = {
        each.strip()
        for label, some in LABELS.findall(expression)
        for each in (label or some).split(",")
    }
    assert labels <= LABELS_THERE


def test_every_panel_has_a_place_of_its_own() -> None:
    board = json.loads(dashboard.BOARD.read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= dashboard.COLUMNS
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
