"""Writes docs/monitoring.md, and the alerts, from the families of metrics; a test compares them.

python -m tests.support.pages.monitoring_page
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from minibroker.broker import limits
from minibroker.broker.metrics.family import Family, Kind
from minibroker.broker.metrics.scrape import FAMILIES

from tests.support.metrics.well_known import JMX_EXPORTER, KAFKA_EXPORTER

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "monitoring.md"
ALERTS = ROOT / "docs" / "watch" / "alerts.yml"

OPENING = f"""# Monitoring

Written from `broker/metrics/` by `python -m tests.support.pages.monitoring_page`; a test holds
both together.

```sh
minibroker serve --log-dirs ./data --metrics 127.0.0.1:9404
```

| path | answer |
|---|---|
| `/metrics` | everything below, as Prometheus text, or as OpenMetrics for who accepts it |
| `/healthz` | 200: the process lives and its event loop turns |
| `/readyz` | 200: the data is open and the log has not failed; else 503, and why |

The ready line names the port (`metrics=http://127.0.0.1:9404/metrics`); port 0 takes any. It
begins to listen when the data is open: a start that has much to recover refuses connections
meanwhile, so in Kubernetes give it a `startupProbe`. A full disk does not make a broker unready:
it still serves readers (`minibroker_storage_refuses` tells).

**The port is plain HTTP without a login**, also where the broker's listeners have TLS, SASL and
an authorizer. It tells names of topics and groups and how much there is in them; no record, no
secret, and it takes no orders. Listen at 127.0.0.1, or where only Prometheus can reach it;
beyond loopback the broker warns once.

```yaml
scrape_configs:
  - job_name: minibroker
    static_configs: [{{targets: ["127.0.0.1:9404"]}}]
```

## To look at

`docker-compose --profile watch up` starts a Prometheus at <http://127.0.0.1:9090> and a Grafana
at <http://127.0.0.1:3000>, which shows [watch/minibroker.json](watch/minibroker.json) at once.
The alerts of this page stand in [watch/alerts.yml](watch/alerts.yml). Thresholds in them are a
beginning: set them to what your records can wait for.

Dashboards that are made for kafka_exporter (7589, and the overview that comes with it) or for
the JMX exporter's `kafka_server_brokertopicmetrics_*` and `kafka_network_requestmetrics_*` (721
and its like) fill as well: the same names, labels and meanings are here. Panels about a JVM,
ZooKeeper or replication between brokers stay empty. What differs:

- Of a group, only partitions are told of which it has committed an offset; kafka_exporter tells
  all others of these topics with -1, and its sums count these.
- Request times have no parts (`requestqueuetimems`, `localtimems`, ...): there are no queues
  between threads. A request's time counts from when it is decoded to when its answer is made,
  with the flush or the bytes it waited for.
- Quantiles are of the last five to ten minutes, interpolated within the buckets of a histogram.

## What it costs

What is counted on the way of a request is a handful of additions. A scrape is made in pieces,
between which everybody else is served, and is written as its reader takes it. Per partition it
has eight lines, and two for each offset that a group has committed. So labels are bounded:

| of | told one by one | beyond it |
|---|---|---|
| partitions | {limits.METRICS_PARTITIONS_MAX:,} | whole topics are left out |
| groups | {limits.METRICS_GROUPS_MAX:,}, with names up to {limits.METRICS_GROUP_ID_LENGTH_MAX} \
characters | the group is left out |
| offsets of groups | {limits.METRICS_GROUP_OFFSETS_MAX:,} | all those of a group are left out |

Sums, such as those without a topic, count what is left out all the same, and
`minibroker_metrics_left_out` says how much that is. Client ids and names of topics that are not
there are no labels at all.

## The client

`metrics()` of a Producer or Consumer as a collector for prometheus_client, which comes with
minibroker; under the names that the JMX exporter gives Kafka's Java clients by default:

```python
from minibroker.client.prometheus import ClientCollector
from prometheus_client import REGISTRY, start_http_server

REGISTRY.register(ClientCollector({{"billing-out": producer, "billing-in": consumer}}))
start_http_server(8000, "127.0.0.1")
```

Each name becomes the label `client_id`. Clients of an event loop are asked in that loop, from
whatever thread the scrape comes; `minibroker_client_up` is 0 for one that could not be asked.
"""

PROCESS = """
And `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds` and the like,
as prometheus_client tells them of the broker's process.
"""

SECTIONS: tuple[tuple[str, Mapping[str, tuple[str, ...]]], ...] = (
    ("As kafka_exporter names it", KAFKA_EXPORTER),
    ("As the JMX exporter names it", JMX_EXPORTER),
    ("Its own", {}),
)


def written() -> str:
    """The page."""
    parts = [OPENING]
    left = list(FAMILIES)
    for title, names in SECTIONS:
        some = [each for each in left if not names or each.name in names]
        left = [each for each in left if each not in some]
        parts += [f"\n## {title}\n\n", "| metric | what it is |\n|---|---|\n", *map(_row, some)]
    assert not left
    parts += [
        PROCESS,
        "\n## Alerts worth having\n\n",
        "`up == 0` first: nothing below speaks for a broker that does not run.\n\n",
        "| when | what is wrong |\n|---|---|\n",
    ]
    parts += [
        f"| `{each.alert.replace('|', chr(92) + '|')}` | {each.because} |\n" for each in alarming()
    ]
    return "".join(parts)


def alerts() -> str:
    """The file of rules for Prometheus."""
    lines = [
        "# Written by `python -m tests.support.pages.monitoring_page` from broker/metrics/.",
        "groups:",
        "  - name: minibroker",
        "    rules:",
        "      - alert: BrokerDown",
        "        expr: 'up{job=\"minibroker\"} == 0'",
        "        for: 1m",
        "        annotations: {summary: 'nobody answers at the port for metrics'}",
    ]
    for each in alarming():
        lines += [
            f"      - alert: {_alert_name(each)}",
            f"        expr: {_quoted(each.alert)}",
            "        for: 5m",
            f"        annotations: {{summary: {_quoted(each.because)}}}",
        ]
    return "\n".join(lines) + "\n"


def alarming() -> Iterator[Family]:
    """Families with an alert."""
    return (each for each in FAMILIES if each.alert)


def _row(family: Family) -> str:
    labels = f"{{{', '.join(family.labels)}}}" if family.labels else ""
    kind = "" if family.kind in (Kind.COUNTER, Kind.GAUGE) else f" ({family.kind.value})"
    return f"| `{family.name}{labels}` | {family.meaning}{kind} |\n"


def _alert_name(family: Family) -> str:
    name = family.name.removeprefix("minibroker_").removeprefix("kafka_").removesuffix("_total")
    return "".join(part.capitalize() for part in name.split("_"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
    ALERTS.write_text(alerts(), encoding="utf-8")
