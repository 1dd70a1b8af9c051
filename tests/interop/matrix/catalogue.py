"""The foreign clients of the matrix: which versions, how each is run, what it cannot do.

`checks()` of a client are the names that allow.txt, the test ids and docs/compatibility.md use. To
follow a new release, change its version here and run `make interop`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.interop.matrix.environments import (
    Runnable,
    go_module,
    java_class,
    java_tool,
    kcat,
    node_packages,
    python_packages,
)
from tests.interop.matrix.records import Written, given_records, without_null_headers

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
WRITE, READ, LOST_ANSWERS = "write", "read", "lost-answers"
NULL_HEADERS = "null headers"
KAFKA_PYTHON, AIOKAFKA, CONFLUENT = "kafka_python", "aiokafka_client", "confluent"  # in programs/
LIBRDKAFKA = "librdkafka"


@dataclass(frozen=True)
class Client:
    """One row of the table.

    Attributes:
        name: in the table, allow.txt, test ids, topics and folders.
        library: what it is made of; a client's work is checked by one of another library.
        gaps: READ, LOST_ANSWERS or NULL_HEADERS to the reason why it cannot do or write that.
        own_records: what it writes instead of the given records, by topic and count.
    """

    name: str
    library: str
    environment: Callable[[], Runnable]
    gaps: dict[str, str] = field(default_factory=dict)
    own_records: Callable[[str, int], list[Written]] | None = None

    @property
    def is_idempotent(self) -> bool:
        """Whether a lost answer must not make a record be stored twice."""
        return LOST_ANSWERS not in self.gaps

    def records(self, topic: str, count: int) -> list[Written]:
        """What the topic holds once it has written `count` records."""
        if self.own_records is not None:
            return self.own_records(topic, count)
        given = without_null_headers if NULL_HEADERS in self.gaps else given_records
        return given(topic, count)

    def checks(self) -> list[str]:
        """write-CODEC and read-CODEC of each codec, and lost-answers, without its gaps."""
        names = [f"{what}-{codec}" for what in (WRITE, READ) for codec in CODECS] + [LOST_ANSWERS]
        return [name for name in names if not name.startswith(tuple(self.gaps))]


def numbers(_topic: str, count: int) -> list[Written]:
    """What producer-perf writes with --payload-monotonic."""
    return [Written(None, str(number).encode()) for number in range(count)]


def _python(
    name: str,
    module: str,
    requirements: Sequence[str],
    *,
    library: str | None = None,
    newest_python: tuple[int, int] = (3, 13),
    gaps: dict[str, str] | None = None,
) -> Client:
    recipe = partial(python_packages, name, module, requirements, newest_python)
    return Client(name, library or name.rpartition("-")[0], recipe, gaps or {})


NULL_HEADERS_REFUSED = {NULL_HEADERS: "its producer refuses them"}
NO_IDEMPOTENCE = "no idempotence in this version: a lost answer means a record twice"
CLIENTS = [
    _python(
        "kafka-python-2.0",
        KAFKA_PYTHON,
        ["kafka-python==2.0.2", "crc32c", "lz4", "python-snappy", "zstandard"],
        newest_python=(3, 11),
        gaps={LOST_ANSWERS: NO_IDEMPOTENCE, **NULL_HEADERS_REFUSED},
    ),
    _python(
        "kafka-python-2.2",
        KAFKA_PYTHON,
        ["kafka-python[crc32c,lz4,snappy,zstd]==2.2.15"],
        gaps=NULL_HEADERS_REFUSED,
    ),
    _python(
        "kafka-python-3",
        KAFKA_PYTHON,
        ["kafka-python[crc32c,lz4,snappy,zstd]==3.0.12"],
        gaps=NULL_HEADERS_REFUSED,
    ),
    _python(
        "aiokafka-0.10",
        AIOKAFKA,
        ["aiokafka[lz4,snappy,zstd]==0.10.0"],
        newest_python=(3, 12),
    ),
    _python("aiokafka-newest", AIOKAFKA, ["aiokafka[lz4,snappy,zstd]==0.14.0"]),
    _python(
        "confluent-kafka-2.0",
        CONFLUENT,
        ["confluent-kafka==2.0.2"],
        library=LIBRDKAFKA,
        newest_python=(3, 11),
    ),
    _python("confluent-kafka-newest", CONFLUENT, ["confluent-kafka==2.16.1"], library=LIBRDKAFKA),
    Client("kcat", LIBRDKAFKA, kcat),
    Client(
        "kafkajs",
        "kafkajs",
        partial(node_packages, "kafkajs", "kafkajs.js", "kafkajs.package.json"),
        NULL_HEADERS_REFUSED,
    ),
    Client("java-client", "java", partial(java_class, "java-client", "JavaClient.java")),
    Client(
        "kafka-producer-perf",
        "java",
        partial(java_tool, "producer_perf"),
        {READ: "only produces, and only numbers of its own"},
        numbers,
    ),
    Client(
        "franz-go",
        "franz-go",
        partial(go_module, "franz-go", "franz_go.go", "franz_go.mod"),
    ),
]
BY_NAME = {client.name: client for client in CLIENTS}


def judge_of(client: Client) -> Client:
    """The client of another library that reads what this one wrote, and writes what it reads."""
    return BY_NAME["java-client" if client.library == LIBRDKAFKA else "confluent-kafka-newest"]
