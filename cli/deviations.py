"""Every answer in which this broker differs from Apache Kafka on purpose, and why.

The one list of them: `minibroker probe` prints its reasons, docs/deviations.md shows it to readers,
and tests/unit/test_deviations.py holds the two together.
Tests: tests/unit/test_deviations.py
"""

from __future__ import annotations

from .deviation import Deviation
from .security_deviations import SECURITY
from .transaction_deviations import TRANSACTIONS

PROBED = "tests/system/commands/test_probe.py::test_our_broker_differs_only_on_purpose"
OTHERS = "tests/system/answers/test_deviations.py"
LONG = "tests/system/neighbours/test_long_requests.py"
ANSWERS = "tests/system/answers/test_config_changes.py"
CHANGES = "tests/unit/broker/cluster/test_config_changes.py"
NODE = "tests/system/answers/test_node_answers.py"
JOINS = "tests/unit/broker/groups/test_joins.py"
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
        request="Produce: a compressed batch that cannot be unpacked, or whose offset deltas are"
        " not 0, 1, 2 ...",
        kafka="-1 UNKNOWN_SERVER_ERROR",
        ours="87 INVALID_RECORD",
        reason="An unknown server error tells the user nothing.",
        test=PROBED,
    ),
    "opened-bytes": Deviation(
        request="Produce: a compressed batch whose records take more than 64 MiB unpacked",
        kafka="accepted",
        ours="10 MESSAGE_TOO_LARGE",
        reason="Each is opened, and a million bytes can hold gigabytes; clients split a batch that"
        " is too large and send it again.",
        test="tests/unit/broker/partitions/test_opened.py"
        "::test_a_batch_that_holds_too_much_is_too_large",
    ),
    "unopened": Deviation(
        request="Produce: a compressed batch whose codec is not installed",
        kafka="opened and checked; it has every codec",
        ours="stored as it came",
        reason="lz4, snappy and zstd come with minibroker[compression]; storing and fetching"
        " needs none of them.",
        test="tests/unit/broker/partitions/test_opened.py::test_a_batch_without_its_codec_is_kept",
    ),
    "records-for-few": Deviation(
        request="Produce: a batch whose offset deltas are not 0, 1, 2 ..., or with a length below"
        " -1, a number of more bits than its type has, or record attributes of 128 and more",
        kafka="accepted as it is (false offset deltas in a compressed batch: -1)",
        ours="87 INVALID_RECORD",
        reason="Java reads them; librdkafka, kafka-python or aiokafka stop at such a batch, or read"
        " the partition from its beginning again and again.",
        test="tests/unit/protocol/batch/test_check.py::test_records_that_are_not_good",
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
    "producer-id-bound": Deviation(
        request="Produce: by more than 100,000 producer ids to one partition within a day",
        kafka="all are remembered, whatever memory it takes",
        ours="those idle for longest are forgotten: a retry of theirs is stored twice",
        reason="A producer that is made anew for each record would else fill the memory;"
        " the broker's log says when it happens.",
        test="tests/unit/broker/partitions/test_producer_expiry.py"
        "::test_evictions_are_told_once_in_a_check",
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
    "flush-messages": Deviation(
        request="CreateTopics, IncrementalAlterConfigs, AlterConfigs: flush.messages or flush.ms"
        " other than never, under durability=page-cache",
        kafka="0; the topic is flushed so often",
        ours="40 INVALID_CONFIG",
        reason="A flush comes before every acknowledgement here (durability=fsync, which takes any"
        " value) or never; a promise that is not kept must not be shown as kept.",
        test="tests/unit/broker/config/test_config.py"
        "::test_a_topic_is_flushed_only_where_the_broker_flushes",
    ),
    "values-below-zero": Deviation(
        request="CreateTopics, IncrementalAlterConfigs, AlterConfigs: internal.segment.bytes of 0"
        " and less; a broker's log.retention.ms below -1",
        kafka="0",
        ours="40 INVALID_CONFIG; 42 INVALID_REQUEST",
        reason="The one means a file for each batch, the other is taken for -1 and shown as it is.",
        test="tests/interop/answers/test_config_sweep.py::test_topics_take_what_kafkas_take",
    ),
    "fetch-sessions": Deviation(
        request="Fetch: a request that opens a session (KIP-227)",
        kafka="a session id; later requests name only what has changed",
        ours="session id 0: every request is answered in full",
        reason="KIP-227 allows it, every client copes, and one node has no thousands of idle"
        " partitions to save words on.",
        test="tests/system/answers/test_answers.py::test_a_fetch_session_is_declined",
    ),
    "coordinator": Deviation(
        request="FindCoordinator: the first for a group on a new cluster",
        kafka="15 COORDINATOR_NOT_AVAILABLE first, 0 once its internal topic is there",
        ours="0 at once",
        reason="One node has nobody to wait for.",
        test="tests/system/answers/test_answers.py::test_the_coordinator_is_this_node_at_once",
    ),
    "rebalance-delay": Deviation(
        request="JoinGroup: the first member of a group, group.initial.rebalance.delay.ms not set",
        kafka="0 after 3 s",
        ours="0 at once",
        reason="Tests and tools start groups of one member; whoever starts many at once sets the"
        " delay, which then means what it means in Kafka.",
        test=f"{JOINS}::test_the_first_member_of_a_group_does_not_wait",
    ),
    "joins-twice": Deviation(
        request="JoinGroup, SyncGroup: a member asks again elsewhere while the same still waits",
        kafka="the older request is never answered",
        ours="27 REBALANCE_IN_PROGRESS to the older request",
        reason="A request that is never answered blocks its connection; nobody waits for it, and"
        " clients retry after 27.",
        test=f"{JOINS}::test_the_older_of_two_joins_of_a_member_is_sent_away",
    ),
    "equal-votes": Deviation(
        request="JoinGroup: two protocols with equally many votes",
        kafka="the one that its hash table lists first",
        ours="the one that the oldest member likes best",
        reason="Kafka promises no order; ours can be foretold.",
        test=f"{JOINS}::test_of_equal_votes_the_oldest_members_counts",
    ),
    "everywhere": Deviation(
        request="Metadata: a listener on 0.0.0.0 without an advertised name",
        kafka="does not start",
        ours="names the address by which the client has reached it",
        reason="It is the right one wherever no address is translated on the way.",
        test="tests/system/answers/test_answers.py"
        "::test_a_listener_everywhere_names_what_was_reached",
    ),
    "resources": Deviation(
        request="DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: loggers, client metrics,"
        " groups",
        kafka="0 and their properties",
        ours="42 INVALID_REQUEST",
        reason="There are none here.",
        test="tests/system/answers/test_answers.py::test_resources_that_are_not_kept_are_refused",
    ),
    "broker-names": Deviation(
        request="IncrementalAlterConfigs, AlterConfigs: a broker property nobody knows, or one that"
        " Kafka can change at run time and that cannot change here",
        kafka="0; an unknown one is kept for plug-ins",
        ours="40 INVALID_CONFIG with the nearest name, or 42 INVALID_REQUEST",
        reason="There are no plug-ins, and a change that changes nothing must not look like one"
        " that does.",
        test=f"{CHANGES}::test_a_broker_property_that_cannot_change_is_refused_in_words",
    ),
    "alter-twice": Deviation(
        request="AlterConfigs: a resource that is listed twice",
        kafka="no answer at all",
        ours="42 INVALID_REQUEST, once for each",
        reason="A client must not wait for ever; IncrementalAlterConfigs answers so in Kafka, too.",
        test=f"{ANSWERS}::test_a_resource_replaced_twice_in_one_request_is_refused",
    ),
    "operation": Deviation(
        request="IncrementalAlterConfigs: an operation that is none of the four",
        kafka="-1 UNKNOWN_SERVER_ERROR",
        ours="42 INVALID_REQUEST",
        reason="An unknown server error tells the user nothing.",
        test=f"{CHANGES}::test_an_unknown_operation_is_refused",
    ),
    "cluster-defaults": Deviation(
        request="DescribeConfigs, AlterConfigs: the defaults of all brokers of a new cluster",
        kafka="min.insync.replicas=1 is set there, and AlterConfigs without it is refused with 40",
        ours="nothing is set there",
        reason="Kafka's eligible leader replicas need it; there is one replica here.",
        test=f"{ANSWERS}::test_a_new_broker_has_no_dynamic_defaults",
    ),
    "coarse-times": Deviation(
        request="DescribeConfigs: a broker's log.retention.ms and log.roll.ms, when not set",
        kafka="null; log.retention.hours=168 and log.roll.hours=168 have the value",
        ours="604800000; the coarser names are read from files, and are not listed",
        reason="One value has one name, and it says what is in force.",
        test=f"{ANSWERS}::test_a_new_broker_has_no_dynamic_defaults",
    ),
    "partitions": Deviation(
        request="CreatePartitions: more than 10,000 partitions in a topic",
        kafka="-1 UNKNOWN_SERVER_ERROR for as many at once, else 0",
        ours="37 INVALID_PARTITIONS",
        reason="One machine serves ten thousand partitions in all.",
        test=f"{ANSWERS}::test_a_topic_grows_to_ten_thousand_partitions_and_no_further",
    ),
    "partitions-in-all": Deviation(
        request="CreateTopics, CreatePartitions, Metadata that creates: more than 100,000"
        " partitions in all",
        kafka="0",
        ours="44 POLICY_VIOLATION; what is there always starts",
        reason="Twenty million were made in a second, and nobody's Metadata was answered any more.",
        test=f"{LONG}::test_partitions_in_all_are_bounded",
    ),
    "long-answers": Deviation(
        request="Any: an answer of more than 32 MB without records, as of one name listed a"
        " hundred thousand times",
        kafka="the answer",
        ours="42 INVALID_REQUEST; ask for less at a time",
        reason="320 bytes asked for a gigabyte; docs/limits.md has all bounds.",
        test=f"{LONG}::test_an_answer_that_would_be_too_long_is_refused",
    ),
    "group-bytes": Deviation(
        request="JoinGroup, SyncGroup, OffsetCommit, TxnOffsetCommit: more than 16 MB in a group,"
        " 160 MB in all groups, 96 MB of offsets",
        kafka="0 within message.max.bytes",
        ours="81 GROUP_MAX_SIZE_REACHED, 15 COORDINATOR_NOT_AVAILABLE, 28"
        " INVALID_COMMIT_OFFSET_SIZE",
        reason="All of it is kept in memory, and one member could fill it.",
        test="tests/unit/broker/groups/test_joins.py::test_what_members_say_is_bounded",
    ),
    "internal-topics": Deviation(
        request="CreateTopics, CreatePartitions, DeleteTopics, AlterConfigs,"
        " IncrementalAlterConfigs, Produce, Metadata: __consumer_offsets, __transaction_state,"
        " __cluster_metadata",
        kafka="the first two are topics (of 50 partitions, once they are needed), and can be"
        " created, changed, deleted, and written by an admin client; 42 INVALID_REQUEST for the"
        " third",
        ours="__consumer_offsets has one partition, and can only be read; what would change it, and"
        " the names of the others, get 17 INVALID_TOPIC_EXCEPTION",
        reason="They are logs of the broker itself, in Kafka's format; a topic of that name would"
        " write into them. All groups have one log: its bytes are served as they are.",
        test=f"{ANSWERS}::test_a_topic_cannot_take_the_place_of_a_log_of_the_broker",
    ),
    "offsets-partition": Deviation(
        request="DescribeTransactions of a transaction with offsets of a group",
        kafka="the partition of __consumer_offsets that the group's offsets are in",
        ours="the partition that it would be among 50; the topic has one",
        reason="Tools and records of transactions keep Kafka's number; who reads the topic reads"
        " partition 0.",
        test="tests/unit/broker/apis/test_transaction_requests.py"
        "::test_the_offsets_of_a_group_are_added",
    ),
    "offsets-times": Deviation(
        request="Fetch of __consumer_offsets: timestamps of records, commit_timestamp in them",
        kafka="the wall clock",
        ours="a clock that began with the wall clock and stands still while no broker runs",
        reason="Offsets expire by it: a wall clock that is set, or a broker that is down for weeks,"
        " removes none.",
        test="tests/system/directory/test_clocks.py"
        "::test_a_clock_that_is_set_between_starts_makes_nobody_forgotten",
    ),
    "meaningless-numbers": Deviation(
        request="Fetch: max_bytes or partition_max_bytes below 0; Fetch, ListOffsets: an unknown"
        " isolation level",
        kafka="-1 UNKNOWN_SERVER_ERROR",
        ours="42 INVALID_REQUEST",
        reason="An unknown server error tells the user nothing.",
        test=f"{NODE}::test_numbers_without_a_meaning_are_refused_in_words",
    ),
    "whole-batches": Deviation(
        request="Fetch: max_bytes that ends in the middle of a batch",
        kafka="as many bytes, the last batch cut",
        ours="the whole batches before it, and at least one",
        reason="A cut batch is sent for nothing: every client drops it and asks for it again.",
        test=f"{NODE}::test_a_fetch_ends_with_a_whole_batch",
    ),
    "twice-and-bad": Deviation(
        request="Produce: a partition listed twice, one of the two without a whole batch; null"
        " records",
        kafka="87 INVALID_RECORD, but the other is stored; no answer to null",
        ours="the answer to the last one, the only one that counts; 87 to null",
        reason="A refusal must mean that nothing was stored, and a client must not wait for ever.",
        test=f"{NODE}::test_what_is_refused_is_not_stored_though_it_is_listed_twice",
    ),
    "features": Deviation(
        request="ApiVersions: finalized features",
        kafka="metadata.version, group.version, transaction.version and others",
        ours="metadata.version, transaction.version",
        reason="The others would tell clients to use groups of KIP-848, which are not here.",
        test=f"{NODE}::test_only_features_that_are_here_are_finalized",
    ),
    "quorum-listeners": Deviation(
        request="DescribeQuorum: the listeners of the node",
        kafka="that of its controller",
        ours="none",
        reason="No controller can be reached by clients here.",
        test=f"{NODE}::test_the_node_of_the_quorum_has_no_listeners",
    ),
    "resources-listed": Deviation(
        request="ListConfigResources: of all kinds, or of broker loggers",
        kafka="the broker as a resource of loggers as well",
        ours="the broker and its topics",
        reason="There are no loggers to describe or alter.",
        test=f"{NODE}::test_loggers_are_not_listed",
    ),
    "nameless": Deviation(
        request="DescribeTopicPartitions: an empty name; Metadata v12: neither name nor id",
        kafka="-1 UNKNOWN_SERVER_ERROR for every topic, and no brokers in Metadata",
        ours="17 INVALID_TOPIC_EXCEPTION and 100 UNKNOWN_TOPIC_ID, for that one alone",
        reason="An unknown server error tells the user nothing, and one topic disturbs no other.",
        test=f"{NODE}::test_a_nameless_topic_disturbs_no_other",
    ),
    "request-elements": Deviation(
        request="any: more than 262,144 elements in the arrays of one request",
        kafka="accepted, if it fits into socket.request.max.bytes",
        ours="the connection is closed",
        reason="An element of two bytes becomes an object of a hundred; 100 MB of them would take"
        " gigabytes.",
        test="tests/unit/protocol/test_request_elements.py"
        "::test_one_element_more_is_refused_before_any_is_made",
    ),
    "idleness": Deviation(
        request="any: producer.id.expiration.ms and offsets.retention.minutes",
        kafka="counted on the wall clock, also while no broker runs",
        ours="counted while a broker runs, whatever the wall clock says",
        reason="A clock set forward would make a living producer forgotten, and its retry stored"
        " twice; while the broker is down nobody can write or commit.",
        test="tests/unit/broker/partitions/test_producer_expiry.py"
        "::test_a_wall_clock_that_is_set_and_time_without_a_broker_make_nobody_forgotten",
    ),
    "missing-codec": Deviation(
        request="ListOffsets: by time, in a compressed batch whose codec is not installed",
        kafka="0; it has every codec",
        ours="76 UNSUPPORTED_COMPRESSION_TYPE",
        reason="lz4, snappy and zstd come with minibroker[compression]; storing and fetching"
        " needs none of them.",
        test="tests/system/answers/test_answers.py"
        "::test_a_missing_codec_concerns_only_searches_by_time",
    ),
    "held-bytes": Deviation(
        request="Any: all connections together hold more than queued.max.request.bytes, in requests"
        " that are not answered and answers that are not taken (256 MB unless set)",
        kafka="no bound unless one is set; then no further request is read, of anybody",
        ours="answers to fetches get shorter, down to one batch; who has much open waits; beyond it"
        " those are closed that hold most and do not take it",
        reason="A few clients that do not read, or do not end what they send, must not keep"
        " everybody else waiting, nor take all memory.",
        test="tests/system/neighbours/test_held_bytes.py"
        "::test_when_all_is_used_up_the_one_that_holds_most_is_closed",
    ),
    "long-client-id": Deviation(
        request="JoinGroup: a new member with a client id of more than 249 characters",
        kafka="a member id that begins with all of it",
        ours="a member id that begins with the first 249 of them",
        reason="A member id must fit into a string of the protocol, or the leader of its group"
        " cannot be told of the members.",
        test="tests/system/neighbours/test_isolation.py"
        "::test_a_client_id_as_long_as_it_can_be_joins_a_group",
    ),
    **SECURITY,
    **TRANSACTIONS,
}
