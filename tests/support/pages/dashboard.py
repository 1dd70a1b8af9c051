"""Writes docs/watch/minibroker.json, the dashboard for Grafana, from a list; a test compares them.

python -m tests.support.pages.dashboard
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[3]
BOARD = ROOT / "docs" / "watch" / "minibroker.json"
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 24


class Panel(NamedTuple):
    """One picture: expressions by what their lines are called; `kind` is Grafana's."""

    title: str
    expressions: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    says: str = ""


def quantiles(metric: str, labels: str = "") -> dict[str, str]:
    """p50, p95 and p99 of a histogram."""
    return {
        f"p{share}": f"histogram_quantile(0.{share}, sum by (le) "
        f"(rate({metric}_bucket{labels}[$__rate_interval])))"
        for share in (50, 95, 99)
    }


TOPIC = "kafka_server_brokertopicmetrics"
ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Is it well",
        (
            Panel("Up", {"": "up"}, kind="stat"),
            Panel("Log failed", {"": "minibroker_log_failed"}, kind="stat"),
            Panel("Writes refused", {"": "minibroker_storage_refuses"}, kind="stat"),
            Panel("Topics", {"": "kafka_controller_kafkacontroller_globaltopiccount"}, kind="stat"),
            Panel("Partitions", {"": "kafka_server_replicamanager_partitioncount"}, kind="stat"),
            Panel(
                "Free on the disk",
                {"": "minibroker_disk_usable_bytes / minibroker_disk_bytes"},
                "percentunit",
                "stat",
            ),
        ),
    ),
    (
        "Records",
        (
            Panel(
                "Records in",
                {"{{topic}}": f'rate({TOPIC}_messagesin_total{{topic!=""}}[$__rate_interval])'},
            ),
            Panel(
                "Bytes in",
                {"{{topic}}": f'rate({TOPIC}_bytesin_total{{topic!=""}}[$__rate_interval])'},
                "Bps",
            ),
            Panel(
                "Bytes out",
                {"{{topic}}": f'rate({TOPIC}_bytesout_total{{topic!=""}}[$__rate_interval])'},
                "Bps",
            ),
            Panel(
                "Retries recognised, batches refused",
                {
                    "recognised": "rate(minibroker_duplicate_batches_total[$__rate_interval])",
                    "{{error}}": "rate(minibroker_refused_batches_total[$__rate_interval])",
                    "fenced {{request}}": "rate(minibroker_fenced_total[$__rate_interval])",
                },
                says="A retry that is recognised is stored no second time.",
            ),
            Panel(
                "Lag by group and topic",
                {"{{consumergroup}} / {{topic}}": "kafka_consumergroup_lag_sum"},
            ),
            Panel("Members", {"{{consumergroup}}": "kafka_consumergroup_members"}),
        ),
    ),
    (
        "Requests",
        (
            Panel(
                "Requests",
                {
                    "{{request}}": "sum by (request) "
                    "(rate(minibroker_request_seconds_count[$__rate_interval]))"
                },
                "reqps",
            ),
            Panel(
                "Produce takes",
                quantiles("minibroker_request_seconds", '{request="Produce"}'),
                "s",
                says="With the flush that it waited for.",
            ),
            Panel(
                "Errors",
                {
                    "{{request}} {{error}}": "rate(kafka_network_requestmetrics_errors_total"
                    "[$__rate_interval])"
                },
            ),
            Panel("Flushes take", quantiles("minibroker_flush_seconds"), "s"),
            Panel(
                "Batches a flush",
                {
                    "mean": "rate(minibroker_flush_batches_sum[$__rate_interval]) / "
                    "rate(minibroker_flush_batches_count[$__rate_interval])"
                },
            ),
            Panel(
                "Waiting",
                {"{{delayedOperation}}": "kafka_server_delayedoperationpurgatory_purgatorysize"},
            ),
        ),
    ),
    (
        "The broker",
        (
            Panel("Lag of the loop", quantiles("minibroker_loop_lag_seconds"), "s"),
            Panel(
                "Idle",
                {"": "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent"},
                "percentunit",
            ),
            Panel(
                "Memory",
                {
                    "process": "process_resident_memory_bytes",
                    "connections": "minibroker_held_bytes",
                    "groups": "minibroker_group_bytes",
                    "offsets": "minibroker_offset_bytes",
                },
                "bytes",
            ),
            Panel("Connections", {"{{listener}}": "minibroker_connections"}),
            Panel(
                "Transactions",
                {
                    "{{state}}": "minibroker_transactional_ids",
                    "being ended": "minibroker_ending_transactions",
                },
            ),
            Panel("Oldest open transaction", {"": "minibroker_oldest_transaction_seconds"}, "s"),
            Panel("Logs", {"on the disk": "minibroker_log_bytes"}, "bytes"),
            Panel("Producer ids", {"remembered": "minibroker_producer_ids"}),
            Panel("Processor", {"": "rate(process_cpu_seconds_total[$__rate_interval])"}),
        ),
    ),
)


def written() -> str:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, some in ROWS:
        panels.append({"type": "row", "title": title, "gridPos": _at(0, y, COLUMNS, 1)})
        y += 1
        width = COLUMNS // len(some) if some[0].kind == "stat" else WIDTH
        height = 4 if some[0].kind == "stat" else HEIGHT
        x = 0
        for panel in some:
            if x + width > COLUMNS:
                x, y = 0, y + height
            panels.append(_panel(panel, _at(x, y, width, height)))
            x += width
        y += height
    for number, each in enumerate(panels, 1):
        each["id"] = number
    board = {
        "title": "minibroker",
        "uid": "minibroker",
        "tags": ["kafka", "minibroker"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": panels,
    }
    return json.dumps(board, indent=1) + "\n"


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(65 + number), "expr": expr, "legendFormat": legend or "__auto"}
        for number, (legend, expr) in enumerate(panel.expressions.items())
    ]
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
    }


if __name__ == "__main__":
    BOARD.write_text(written(), encoding="utf-8")
