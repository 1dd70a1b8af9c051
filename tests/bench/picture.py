"""EDGE: the ratios of a benchmark run as a picture, docs/benchmarks.png."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

OURS, BELOW = "#2a6f97", "#c1121f"


def draw(ratios: Mapping[str, float], caption: str, path: Path) -> None:
    """One bar a load: how many times the throughput of Apache Kafka ours has.

    Args:
        ratios: by the name of the load, top to bottom.
        caption: where and when this was measured.
    """
    names, values = list(ratios)[::-1], list(ratios.values())[::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.55 * len(names) + 1.6))
    bars = axes.barh(names, values, color=[OURS if value >= 1 else BELOW for value in values])
    axes.bar_label(bars, [f" {value:.1f} x" for value in values])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlim(min(0.5, *values), max(values) * 2)
    axes.set_ylim(-1, len(names))
    axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("throughput, as a multiple of Apache Kafka 4.3.1 in the same run (log scale)")
    axes.set_title("minibroker beside Apache Kafka, one node each")
    axes.spines[["top", "right"]].set_visible(False)
    figure.text(0.01, 0.01, caption, fontsize=7, color="gray")
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
