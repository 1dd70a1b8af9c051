"""Every bound of the broker that is not a Kafka property, each with its reason.

What an operator may set stands in config/broker.py (frame size, connections, queued bytes, ...).
At a bound the broker stops reading, or refuses with the protocol's own error.
Tests: tests/unit/broker/test_limits_page.py
"""

# Requests of one connection that are read before the first is answered. Kafka's clients keep five
# in flight; benchmarks and our own proxy more. Beyond it the socket is not read.
IN_FLIGHT_MAX = 256

# Bytes of such requests: what one connection has asked and not been answered, as it was sent. A
# Java producer has five batches of a megabyte on their way. Beyond it the socket is not read.
IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024

# Requests that one read may bring to be served at once; with more, a connection waits for its turn.
REQUESTS_AT_ONCE = 16
# A turn: how long a connection with more to do is served before others are, in ms. A single request
# is not cut here (waiting/long_work.py does that).
TURN_MS = 2
# The turns of all such connections within one turn of the loop, in ms: all others wait as long.
ROUND_MS = 5

# An answer to a fetch takes at most this part of the memory that is free for records, which is
# three quarters of queued.max.request.bytes: of its 256 MB the first gets 48, and fourteen that are
# never read leave 3.
ROOM_SHARE = 4
# Of queued.max.request.bytes so much is kept for a buffer that is being doubled, in bytes, or an
# eighth where that is less: a buffer of 16 MB and its successor of 32 are both there for a moment,
# and the C library gives back late what was let go.
DOUBLING_BYTES = 32 * 1024 * 1024
# Where memory is short, a connection that has more than this open begins nothing new, in bytes.
# Others are always served.
SHORT_OPEN_BYTES = 64 * 1024
# What one fetch reads of one partition, in bytes: it takes the loop some milliseconds, whatever is
# asked. A single batch may be longer. Who wants more asks again.
READ_BYTES_MAX = 4 * 1024 * 1024

# When all memory is used up, those who hold most are closed until this part of it is free again:
# to choose them takes a look at every connection, which must not be needed for each of them.
FREED_SHARE = 8
# Who takes its answers at a pace at which all that it holds is gone within this, in ms, is spared:
# what it holds counts for this part only, so that even then it is nobody who holds next to nothing.
TAKEN_WITHIN_MS = 1000
TAKING_SHARE = 8
# How often those are looked at again that wait for memory, in ms, while all are counted anew; with
# very many connections less often: a look takes a µs each.
HELD_BACK_LOOK_MS = 10
LOOKS_A_MS = 20
# How often the log says that memory is short, in ms.
SHORT_TOLD_MS = 10_000

# Answers of a connection that is being closed have this long to leave, in ms; then it is cut.
LEAVE_MS_MAX = 10_000

# Connections whose TLS handshake or login is under way; with more, the oldest of them is closed. A
# handshake that has begun takes some 50 kB.
STRANGERS_MAX = 1000
# Connections that came too quickly for connection_creation_rate of their address, and wait unread
# for their end: Kafka ends them a second later at most. Beyond so many they end at once.
TURNED_AWAY_MAX = 1000
# A TLS handshake is over within this, in ms: Kafka's clients do it in some milliseconds.
HANDSHAKE_MS_MAX = 10_000
# And a login within this, in ms: a client may have to fetch a token from far away. Kafka waits for
# connections.max.idle.ms.
LOGIN_MS_MAX = 30_000
# Handshakes that are computed at once, off the loop: signing takes a millisecond or several.
HANDSHAKE_THREADS = 2
# What a client may send while its handshake is computed, in bytes; then it is not read.
HANDSHAKE_BYTES_MAX = 64 * 1024
# One read of any connection with TLS, in bytes: all of them share that buffer.
TLS_READ_BYTES = 256 * 1024
# What is encrypted at once, in bytes, and what may wait for the socket: the rest waits unencrypted.
TLS_WRITE_BYTES = 128 * 1024

# Bytes of responses queued on one connection before its socket is no longer read.
WRITE_BUFFER_HIGH_BYTES = 1024 * 1024
WRITE_BUFFER_LOW_BYTES = 256 * 1024

# A topic with more partitions than this is refused with 37 INVALID_PARTITIONS, and a CreateTopics
# that asks for more in all with 44 POLICY_VIOLATION, as Kafka does: one box serves ten thousand.
PARTITIONS_MAX = 10_000
# Partitions of all topics: beyond it nothing is created (44 POLICY_VIOLATION), though what is there
# always starts. A description of all of them is an answer of some megabytes.
PARTITIONS_IN_ALL_MAX = 100_000

# Partitions in one answer to DescribeTopicPartitions, whatever the request allows: the default of
# Kafka's max.request.partition.size.limit.
PARTITIONS_A_PAGE_MAX = 2000

# Verdicts on Produce that can be explained: so many for each of the partitions written to last.
VERDICTS_KEPT = 64
VERDICT_RINGS_MAX = 256
# Characters of a client id that are kept with a verdict: one may have 32,767.
CLIENT_ID_LENGTH_KEPT = 249

# Producer ids of which was told that two producers seem to share them; then telling begins anew.
OTHER_BYTES_TOLD_MAX = 1000

# With at least this many dirty files one syncfs is quicker than a flush each.
SYNC_ALL_FROM_FILES = 16
# Threads that flush files: one for each that a round may have, so that a round takes as long as its
# slowest flush. They are made when they are needed.
FLUSH_THREADS = SYNC_ALL_FROM_FILES - 1

# Log files open at once, where the process may have that many (connections/descriptors.py). The
# least recently used is closed for another; opening it again takes about 10 µs.
OPEN_FILES_MAX = 512
# Space on the disk that is kept for deletions and the like, in bytes: thousands of their records, a
# snapshot of some producers, the file of a new segment. If it cannot be had, less is, in steps.
RESERVE_BYTES = 1024 * 1024
RESERVE_BYTES_STEP = 16 * 1024

# Descriptors that neither connections nor log files get: listeners, lock, event loop, the output,
# files being replaced, and one for each thread that flushes.
DESCRIPTORS_RESERVED = 64
# How many files are closed at once where the system has no descriptor left.
FILES_GIVEN_BACK = 16

# A stop waits this long for flushes under way and for answers to leave, in ms.
STOP_MS_MAX = 10_000

# What raised when its time had come is asked again after this long, in ms, and not at once.
REST_AFTER_FAILURE_MS = 1000

# So often the data directory is looked at: whether it has been removed, moved or replaced, in ms.
# What is acknowledged until that is noticed may be lost with it.
WATCH_MS = 1000

# Partitions that retention, or the expiry of producer ids, looks at in one turn of the loop: at
# worst each begins a segment, which takes 0.2 ms.
LOOKS_A_TURN = 32
# How much of old segments is removed in one turn, in bytes: giving back 1 MB takes up to 0.3 ms.
REMOVED_A_TURN_BYTES = 8 * 1024 * 1024
# Producer ids forgotten in one turn.
FORGOTTEN_A_TURN = 10_000

# Kafka's bound on topic names: with "-<partition>" a name must fit into a file name.
TOPIC_NAME_LENGTH_MAX = 249

# A fetch waits no longer than this for bytes, in ms, whatever it asks; then it gets what there is.
FETCH_WAIT_MS_MAX = 300_000

# When the broker stops, answers on their way to clients that read have this long to leave, in ms.
CLOSE_MS_MAX = 500

# Groups in all; a new one is refused beyond it.
GROUPS_MAX = 100_000

# Members of one group, and ids given out in one group and not used yet, whatever group.max.size is.
GROUP_MEMBERS_MAX = 10_000

# What one group holds: what its members say in all their protocols, names and ids, and what they
# are assigned. It is written with every generation, as one record. Beyond it the group is full (81
# GROUP_MAX_SIZE_REACHED), and an assignment is answered with -1, as Kafka does with a long record.
GROUP_BYTES_MAX = 16 * 1024 * 1024
# The same of all groups, and the groups themselves: beyond it whoever joins hears 15
# COORDINATOR_NOT_AVAILABLE.
GROUPS_BYTES_MAX = 160 * 1024 * 1024
# Committed offsets of all groups, at 350 bytes and their metadata each, and those that open
# transactions have pending, at 1400: beyond it new ones are refused with 28
# INVALID_COMMIT_OFFSET_SIZE; those that are there can always be committed again.
OFFSETS_BYTES_MAX = 96 * 1024 * 1024
# Topics that the members of one group may list for the broker to know what they are subscribed to.
# With more it takes them to be subscribed to everything: their offsets cannot be deleted.
SUBSCRIBED_TOPICS_MAX = 100_000

# Characters of a client id (or instance id) that a member id begins with: what follows is unique,
# and a member id must fit into a string of the protocol, 32,767 bytes.
MEMBER_ID_PREFIX_LENGTH_MAX = 249

# With group.initial.rebalance.delay.ms=0 the first generation of a group begins so long after its
# first member has joined, in ms: who has started together is then in it.
JOIN_UNDER_WAY_MS = 3
# So long at most it waits for members that have been told their ids and are to come back.
JOINS_UNDER_WAY_MS_MAX = 100

# A new member that waits for its first generation longer than this is given up, in ms. Kafka's
# group.new.member.join.timeout, which is no property.
NEW_MEMBER_JOIN_MS_MAX = 300_000

# Producer ids that one partition remembers: one new producer a second for a whole day, the default
# of producer.id.expiration.ms. Kafka has no bound. At 300 bytes each it is 30 MB; one that has used
# transactions takes 120 bytes more. Those with an open transaction, at 270 bytes, never have to go.
PRODUCERS_MAX = 100_000
# How many of the longest idle go at once when there are more.
PRODUCERS_EVICTED = 1000

# A round of flushes waits for company for at most this part of what the last one took: then a
# client waits for 1.25 flushes and not for 2, and nobody for more than before and a quarter.
GATHER_SHARE = 0.25

# Long work (waiting/long_work.py) holds the loop for so long a turn, in ms: a neighbour who waits
# for one slice, or for one of each kind, hardly notices.
SLICE_MS = 5
# Pieces of long work that go on in turn; what is made of their answers is held meanwhile. Others
# wait in line.
JOBS_ACTIVE_MAX = 3
# Requests longer than this are decoded as long work: shorter ones take some milliseconds at worst.
LONG_FRAME_BYTES = 32 * 1024

# The process looks for garbage among all its objects when it has looked among the young ones so
# many times (cli/terminal/process_memory.py): every 700,000 new objects that stay, and not every
# 70,000.
COLLECTED_WHOLE_EVERY = 100

# Compressed batches up to this size are opened on the loop, if that gives no more bytes either: a
# fraction of a millisecond. Others are opened off it.
OPENED_AT_ONCE_BYTES_MAX = 64 * 1024
# Records, and headers of records, that are checked on the loop one by one: a few milliseconds at
# most. Those of one size are compared together, in a fraction of that time each.
CHECKED_AT_ONCE_MAX = 4096
COMPARED_AT_ONCE_MAX = 16 * CHECKED_AT_ONCE_MAX
# What one batch may hold: as much as it takes, twice, while it is opened and compressed anew. A
# million bytes of zeros are a thousand when compressed.
OPENED_BYTES_MAX = 64 * 1024 * 1024
# Functions called off the loop at once, and the threads that do it: as many as small machines have
# cores. Others wait in line.
ASIDES_MAX = 2
# What malloc keeps of freed memory in each of these threads, in bytes, and from which size on a
# block is a mapping of its own, gone when it is freed: frames of a megabyte are not.
KEPT_FREE_BYTES_MAX = 8 * 1024 * 1024
MAPPED_FROM_BYTES = 4 * 1024 * 1024

# How often a process that is a broker looks at its size, in s, and by how many bytes it must have
# changed for malloc to be asked to give back what is free (cli/terminal/process_memory.py): a few
# milliseconds.
GIVEN_BACK_EVERY_S = 10.0
GIVEN_BACK_FROM_BYTES = 2 * 1024 * 1024

# An answer, without the records in it, is no longer than this: one that lists the same thing again
# and again, as Kafka would, is refused with 42 INVALID_REQUEST. All partitions of a broker take a
# tenth of it. What an answer is made of takes as much again before it is encoded.
ANSWER_BYTES_MAX = 32 * 1024 * 1024

# Rules of access: beyond it none is added (44 POLICY_VIOLATION). At 600 bytes each it is 30 MB.
ACLS_MAX = 50_000

# What was decided about rights, and which quota counts for whom: so many answers are remembered,
# then all are forgotten. Those about longer names are not: 16,384 of 32 kB are half a gigabyte.
ANSWERS_REMEMBERED_MAX = 16_384
NAME_LETTERS_REMEMBERED_MAX = 1000

# Entities with quotas: beyond it none is added (44 POLICY_VIOLATION). At 600 bytes each: 12 MB.
QUOTA_ENTITIES_MAX = 20_000

# Partitions that all waiting fetches together wait at. Beyond it the fetch that has most of them is
# answered at once with what there is. At 300 bytes each it is 75 MB.
PARKED_PARTITIONS_MAX = 250_000

# Transactional ids, at 700 bytes and their characters each, and 150 for each partition in an open
# transaction: beyond it an id that is not known is refused with 15 COORDINATOR_NOT_AVAILABLE.
TRANSACTIONAL_IDS_BYTES_MAX = 96 * 1024 * 1024

# How long a request waits for the ending of a transaction before it is told to come again, in ms:
# as long as Kafka's partitions try to verify a batch. And after which time a marker is tried again
# that found no room.
POSTPONED_MS_MAX = 100
ENDING_RETRY_MS = 1000

# What the records of one batch may take, unpacked, for a search by time to look into it: beyond it
# the answer for that partition is 2 CORRUPT_MESSAGE. A thousand bytes of gzip may be a million.
SEARCHED_BYTES_MAX = 64 * 1024 * 1024

# What a scrape of metrics tells by partition, by group, and by group and partition; beyond it
# topics, or groups, are left out whole, minibroker_metrics_left_out says how many, and sums still
# count all. Of 10,000 partitions and as many offsets of groups a scrape has 8 MB.
METRICS_PARTITIONS_MAX = 20_000
METRICS_GROUPS_MAX = 10_000
METRICS_GROUP_OFFSETS_MAX = 50_000
# Groups with longer names are not told one by one: a name may have 32,767 bytes, in every line.
METRICS_GROUP_ID_LENGTH_MAX = 249
# Connections to the port for metrics, and how long one may take in all, in ms: a question is read
# within seconds, and Prometheus gives up after 10 s by default.
METRICS_CONNECTIONS_MAX = 16
METRICS_EXCHANGE_MS_MAX = 30_000
# Scrapes under way at once; others are answered with 503. Each holds some megabytes of numbers.
METRICS_SCRAPES_MAX = 4
# A question to that port, in bytes, with all its headers.
METRICS_REQUEST_BYTES_MAX = 16 * 1024
# Bytes of an answer that wait for who has asked; then the scrape waits as well.
METRICS_UNSENT_BYTES_MAX = 256 * 1024
# How often the loop's lag is looked at, in ms.
LOOP_LOOK_MS = 100
