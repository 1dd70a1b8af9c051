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
OTHERS = "tests/system/test_deviations.py"
RESTARTED = f"{OTHERS}::test_all_five_batches_are_known_after_a_restart"

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
    "restart": Deviation(
        request="Produce: a retry of the 2nd to 5th newest batch after a restart, clean or not",
        kafka="45 OUT_OF_ORDER_SEQUENCE_NUMBER",
        ours="0 and the first offset",
        reason="Kafka's producer snapshot keeps one batch of five. A producer with several in"
        " flight then bumps its epoch and sends again: duplicates.",
        test=RESTARTED,
    ),
    "expiry": Deviation(
        request="Produce: a retry after a restart, timestamps over producer.id.expiration.ms old",
        kafka="0, appended again",
        ours="0 and the first offset",
        reason="What a producer writes into its records must not decide how long its retries are"
        " recognised: the time of receipt does.",
        test=RESTARTED,
    ),
    "transactional-id": Deviation(
        request="InitProducerId: with a transactional id",
        kafka="0 and a producer id",
        ours="53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        reason="There are no transactions yet, and 53 is the refusal that clients do not retry.",
        test=f"{OTHERS}::test_a_transactional_id_gets_no_producer_id",
    ),
    "replication-factor": Deviation(
        request="CreateTopics: a replication factor above the number of brokers",
        kafka="38 INVALID_REPLICATION_FACTOR",
        ours="0, with one replica and a warning in the broker's log",
        reason="Programs written for a cluster should run unchanged against one node;"
        " replication.factor.lenient=false refuses as Kafka does.",
        test=f"{OTHERS}::test_a_replication_factor_above_one_is_accepted",
    ),
    "compaction": Deviation(
        request="CreateTopics: cleanup.policy=compact",
        kafka="0; keeps the newest record of each key, refuses records without a key with 87",
        ours="0; keeps every record, also those without a key",
        reason="Compaction is not performed; a reader of a compacted topic must in any case cope"
        " with records that are not compacted yet.",
        test=f"{OTHERS}::test_a_compacted_topic_is_created_and_takes_records_without_a_key",
    ),
}
