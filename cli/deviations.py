"""Every answer in which this broker differs from Apache Kafka on purpose, and why.

The one list of them: `minibroker probe` prints its reasons, docs/deviations.md shows it to readers,
and tests/unit/test_deviations.py holds the two together.
"""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """One difference, as a client sees it."""

    request: str
    kafka: str
    ours: str
    reason: str
    test: str  # path::name of the test that pins ours


PROBED = "tests/system/test_probe.py::test_our_broker_differs_only_on_purpose"

DEVIATIONS = {
    "no-records": Deviation(
        request="Produce: record bytes that are no records, CRC right",
        kafka="-1 UNKNOWN_SERVER_ERROR",
        ours="87 INVALID_RECORD",
        reason="An unknown server error tells the user nothing.",
        test=PROBED,
    ),
    "compression-code": Deviation(
        request="Produce: compression code 5, 6 or 7",
        kafka="-1 UNKNOWN_SERVER_ERROR",
        ours="87 INVALID_RECORD",
        reason="An unknown server error tells the user nothing.",
        test=PROBED,
    ),
    "compressed-content": Deviation(
        request="Produce: a compressed batch whose content is damaged or does not match its header",
        kafka="-1 UNKNOWN_SERVER_ERROR or 87 INVALID_RECORD",
        ours="accepted as it is",
        reason="Compressed batches are not opened: a CRC that is right says that the bytes are"
        " the producer's own, and opening each would cost more than storing it.",
        test=PROBED,
    ),
    "max-timestamp": Deviation(
        request="Produce: a header whose max_timestamp is not that of its records",
        kafka="accepted, max_timestamp rewritten",
        ours="accepted as it is",
        reason="Knowing the true one takes a look into every record, which this broker never does;"
        " only the producer's own index by time suffers.",
        test=PROBED,
    ),
    "auto-creation": Deviation(
        request="Metadata: a topic that is created on request",
        kafka="3 UNKNOWN_TOPIC_OR_PARTITION first, 0 some 50 ms later",
        ours="0 at once",
        reason="One node has nobody to wait for; clients save a retry of 0.2 to 0.3 s.",
        test=PROBED,
    ),
}
