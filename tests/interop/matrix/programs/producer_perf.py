"""Kafka's own producer-perf as a matrix program: it writes numbers of its own, in order.

Run with java's class path in JAVA_CLASSPATH. What stands on standard input says only how many
records to write. It tells no offsets.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable

from tests.interop.matrix.programs.command_line import DELIVERY_TIMEOUT_S, Target, run
from tests.interop.matrix.records import Written

PROPERTIES = ["acks=all", "enable.idempotence=true", "reconnect.backoff.max.ms=100"]


class ProducerPerf:
    """Implements Program."""

    def version(self) -> str:
        """That of the tools' jar."""
        found = re.search(r"kafka-tools-([\d.]+)\.jar", " ".join(os.listdir(_classpath()[:-1])))
        return found[1] if found else "unknown"

    def runs_on(self) -> str:
        """The java on the PATH."""
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)
        found = re.search(r'version "(\d+)', said.stderr)
        return f"Java {found[1]}" if found else said.stderr

    def write(self, target: Target, records: list[Written]) -> None:
        """Values are the numbers from 0 on in decimal, without keys."""
        properties = [
            *PROPERTIES,
            f"bootstrap.servers={target.bootstrap}",
            f"compression.type={target.codec}",
            f"batch.size={target.batch_bytes}",
        ]
        options = ["--topic", target.topic, "--num-records", str(len(records))]
        options += ["--throughput", "-1", "--payload-monotonic"]
        options += ["--producer-props", *properties]
        tool = ["java", "-cp", _classpath(), "org.apache.kafka.tools.ProducerPerformance"]
        done = subprocess.run(
            [*tool, *options],
            capture_output=True,
            text=True,
            timeout=DELIVERY_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout[-2_000:] + done.stderr[-2_000:])

    def read(self, bootstrap: str, topic: str, count: int) -> Iterable[tuple[int, Written]]:
        """It cannot."""
        raise NotImplementedError


def _classpath() -> str:
    return os.environ["JAVA_CLASSPATH"]


if __name__ == "__main__":
    run(ProducerPerf())
