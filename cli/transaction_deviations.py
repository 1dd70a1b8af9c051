"""Where transactions answer otherwise than Apache Kafka's: where those harm, or wait for nobody.

A part of deviations.py. The reasons are told at more length where the answers are decided.
Tests: tests/unit/test_deviations.py
"""

from __future__ import annotations

from .deviation import Deviation

APIS = "tests/unit/broker/apis"
PENDING = "tests/unit/broker/groups/test_transactional.py"
PRODUCE = f"{APIS}/test_produce_in_transaction.py"
REQUESTS = f"{APIS}/test_transaction_requests.py"
TOOLS = f"{APIS}/test_transaction_tools.py"
ROWS = "tests/system/transactions/test_transaction_rows.py::test_ours_answers_as_is_written"

TRANSACTIONS = {
    "pending-group": Deviation(
        request="DeleteGroups: while a transaction has offsets pending in the group",
        kafka="0, and the pending offsets are gone: the commit brings nothing",
        ours="68 NON_EMPTY_GROUP",
        reason="A transaction must not commit its records without its offsets: what was read for"
        " them would be read, and written, again.",
        test=f"{PENDING}::test_a_group_is_not_deleted_while_offsets_are_pending_in_it",
    ),
    "pending-offset": Deviation(
        request="OffsetDelete: of a partition for which a transaction has an offset pending",
        kafka="0, and the pending offset is gone as well: the commit brings nothing",
        ours="0; the pending offset stays, and is there once the transaction commits",
        reason="As above: the transaction's records would be there without its offsets.",
        test=f"{PENDING}::test_deleting_offsets_leaves_what_is_pending",
    ),
    "pending-listed": Deviation(
        request="OffsetFetch: of all topics, with require_stable",
        kafka="a partition with nothing but a pending offset is not listed",
        ours="88 UNSTABLE_OFFSET_COMMIT for it, as when it is asked for by name",
        reason="Who reads that nothing is committed begins anew, while the commit is on its way.",
        test="tests/unit/broker/apis/test_offset_fetch.py"
        "::test_who_requires_it_is_told_what_is_unstable",
    ),
    "zombie-fences": Deviation(
        request="InitProducerId: with a producer id and another epoch than the present one, while"
        " the transaction is Ongoing",
        kafka="51, and the living producer's transaction is aborted and itself fenced; even an"
        " epoch that nobody was ever given does that",
        ours="90 PRODUCER_FENCED (47 before v4); the transaction goes on",
        reason="Whoever has been replaced must not end the work of who has replaced it.",
        test=f"{REQUESTS}::test_a_zombie_does_not_abort_what_the_living_producer_writes",
    ),
    "fence-waits": Deviation(
        request="InitProducerId: by who may abort what is Ongoing",
        kafka="51 CONCURRENT_TRANSACTIONS until the transaction has been aborted",
        ours="the answer, when it has been; 51 after 100 ms",
        reason="A client waits longer than an abort takes before it asks again.",
        test=f"{REQUESTS}::test_a_new_start_aborts_what_is_open_and_is_answered_when_it_has_ended",
    ),
    "after-an-ending": Deviation(
        request="InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn:"
        " while the transaction before is being ended",
        kafka="51 CONCURRENT_TRANSACTIONS at once",
        ours="the answer, when it has ended; 51 after 100 ms",
        reason="As above. Kafka itself waits so long where a batch asks (Produce v12).",
        test=f"{REQUESTS}::test_after_an_ending_partitions_are_added_without_another_word",
    ),
    "ending-is-answered": Deviation(
        request="EndTxn",
        kafka="answered when the decision is durable; markers follow",
        ours="answered when all markers are appended, too",
        reason="Who is told that a transaction has ended finds it ended, and need not be told 51"
        " when it begins the next one.",
        test=f"{REQUESTS}::test_an_ending_is_answered_when_every_partition_has_its_marker",
    ),
    "late-batch": Deviation(
        request="Produce: a late batch, into a transaction that is being ended",
        kafka="0: appended to what has been decided without it",
        ours="waits for the end, then 48, 120 or 47 as for any that comes after it",
        reason="What was not there when the decision was made is not part of it.",
        test=f"{PRODUCE}::test_nothing_comes_late_into_a_transaction_that_is_being_ended",
    ),
    "aborted-retry": Deviation(
        request="Produce v3-v11: the retry of a batch of an aborted transaction as the first batch"
        " of the next one",
        kafka="0 and the offset of the aborted record",
        ours="120 TRANSACTION_ABORTABLE (48 before v11)",
        reason="The producer would take it for part of the new transaction, and no reader would"
        " ever see it.",
        test=f"{PRODUCE}::test_a_retry_of_what_was_aborted_is_not_acknowledged",
    ),
    "poisoned-sequences": Deviation(
        request="Produce: the right batch, after one of the same epoch was refused",
        kafka="45 OUT_OF_ORDER_SEQUENCE_NUMBER until the transaction is aborted, if the other had"
        " a lower sequence and had to be verified",
        ours="0",
        reason="A refusal changes nothing.",
        test=f"{PRODUCE}::test_a_refused_batch_poisons_no_later_one",
    ),
    "no-transactions": Deviation(
        request="AddPartitionsToTxn v4, v5: without a transaction",
        kafka="no answer, ever",
        ours="an empty answer",
        reason="A request that is never answered blocks its connection.",
        test=f"{REQUESTS}::test_many_transactions_in_one_request",
    ),
    "wild-coordinator-epoch": Deviation(
        request="WriteTxnMarkers: a coordinator epoch above that of the coordinator, then EndTxn",
        kafka="0, and the transaction stays in PrepareCommit or PrepareAbort for ever",
        ours="0, and it completes",
        reason="What a tool once sent must not keep a decision from being carried out.",
        test=f"{TOOLS}::test_a_wild_coordinator_epoch_keeps_no_transaction_from_ending",
    ),
    "lost-markers": Deviation(
        request="EndTxn: answered with 0, then the broker is killed, and starts again",
        kafka="the transaction is complete; its markers may never be written, where the coordinator"
        " is there before the partitions have leaders: their last stable offset stands still",
        ours="the transaction is complete, its markers are written",
        reason="What is decided is done, and nothing is inferred from what is not known yet.",
        test=ROWS,
    ),
    "made-again": Deviation(
        request="EndTxn: a topic of the transaction was deleted, and made again under its name",
        kafka="0; a marker is written to the new topic, too",
        ours="0; nothing is written to the new topic",
        reason="Nothing of the transaction is in it: a topic is what its id says, not its name.",
        test=ROWS,
    ),
    "coordinator-at-once": Deviation(
        request="FindCoordinator, InitProducerId, OffsetCommit: the first of a new cluster",
        kafka="15 COORDINATOR_NOT_AVAILABLE, 16 NOT_COORDINATOR, 14 COORDINATOR_LOAD_IN_PROGRESS,"
        " for some seconds in all",
        ours="0",
        reason="The logs of both coordinators are there before the first request is.",
        test=ROWS,
    ),
    "patterns-of-bytes": Deviation(
        request="ListTransactions v2: a pattern with an escaped C, which stands for a single byte",
        kafka="128 INVALID_REGULAR_EXPRESSION; its RE2 is the one for Java, which has no bytes",
        ours="0, and what matches",
        reason="RE2 itself has it; nothing else was found to differ.",
        test=ROWS,
    ),
    "stuck-at-level-0": Deviation(
        request="Produce v12, EndTxn v5 (abort): transaction.version finalized at 0",
        kafka="35 UNSUPPORTED_VERSION, and everything about the id is 51 from then on",
        ours="35; the id goes on",
        reason="A refusal changes nothing.",
        test=f"{TOOLS}::test_at_level_zero_the_new_way_is_refused",
    ),
}
