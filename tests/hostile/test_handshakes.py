"""Half-open handshakes beside a good client: at a small size here, whole by SIZE=1."""

from __future__ import annotations

import os
from pathlib import Path

from tests.fuzz.bystander import TOPIC
from tests.hostile.judge import Bounds, judge
from tests.support.processes.broker import ForkedBroker
from tests.support.processes.kafka import free_ports
from tests.support.records.stored import create_topic
from tests.support.security.listeners import Authority

SIZE = float(os.environ.get("SIZE", "0.05"))
BUSY = Bounds(worst_ms=5_000, p99_ms=2_000, quiet_s=0.1, looked_s=0.1)


def test_handshakes_that_never_end_harm_nobody(tmp_path: Path) -> None:
    (tls_port,) = free_ports(1)
    listeners = f"PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:{tls_port}"
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(Authority(tmp_path).write_broker()),
    }
    with ForkedBroker(settings=settings, options=["--listeners", listeners]) as broker:
        create_topic(broker.port, TOPIC)
        told = ["handshakes", "{port}", str(tls_port), str(SIZE)]
        judged = judge(broker, "handshakes", told, Bounds() if SIZE == 1 else BUSY)
        print(
            f"worst {judged.worst:.0f} ms, p99 {judged.p99:.1f} (alone {judged.quiet_p99:.1f}), "
            f"+{judged.grew_mb:.0f} MB"
        )
        assert not judged.faults
        broker.kill()
