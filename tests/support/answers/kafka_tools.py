"""EDGE: Kafka's own command line tools, played against any broker; what they print as one text.

    python -m tests.support.answers.kafka_tools

writes down anew what they print of a real Apache Kafka, in tests/golden. What differs from run to
run or from broker to broker is replaced by a word (VARYING); everything else must be the same.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes.kafka import RealKafka, run_tool

GOLDEN = Path(__file__).parents[2] / "golden"
ADMINISTRATION_SAID = GOLDEN / "kafka_tools.txt"
GROUPS_SAID = GOLDEN / "kafka_group_tools.txt"
NODE_SAID = GOLDEN / "kafka_node_tools.txt"
PACKAGE = "org.apache.kafka.tools."
TOOLS = {
    "topics": PACKAGE + "TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "get-offsets": PACKAGE + "GetOffsetShell",
    "delete-records": PACKAGE + "DeleteRecordsCommand",
    "log-dirs": PACKAGE + "LogDirsCommand",
    "cluster": PACKAGE + "ClusterTool",
    "transactions": PACKAGE + "TransactionsCommand",
    "producer-perf": PACKAGE + "ProducerPerformance",
    "consumer-perf": PACKAGE + "ConsumerPerformance",
    "acls": PACKAGE + "AclCommand",
    "leader-election": PACKAGE + "LeaderElectionCommand",
    "reassign": PACKAGE + "reassign.ReassignPartitionsCommand",
    "quorum": PACKAGE + "MetadataQuorumCommand",
    "features": PACKAGE + "FeatureCommand",
    "client-metrics": PACKAGE + "ClientMetricsCommand",
    "consumer-groups": PACKAGE + "consumer.group.ConsumerGroupCommand",
}
API_VERSIONS = PACKAGE + "BrokerApiVersionsCommand"
ADMINISTRATION = """
topics --create --topic orders --partitions 2 --replication-factor 1 --config retention.ms=5000000
topics --create --topic orders --partitions 2
topics --create --topic orders --partitions 2 --if-not-exists
topics --create --topic bad --partitions 1 --config nonsense=1
topics --list
topics --describe --topic orders
topics --alter --topic orders --partitions 3
topics --alter --topic orders --partitions 2
topics --describe --topic orders
topics --describe --topic absent
configs --alter --entity-type topics --entity-name orders \
--add-config segment.ms=7000,cleanup.policy=[delete,compact]
configs --describe --entity-type topics --entity-name orders
configs --describe --all --entity-type topics --entity-name orders
configs --alter --entity-type topics --entity-name orders --delete-config cleanup.policy,segment.ms
configs --describe --entity-type topics --entity-name orders
configs --alter --entity-type topics --entity-name orders --add-config retention.ms=soon
configs --alter --entity-type topics --entity-name orders --delete-config absent
configs --alter --entity-type brokers --entity-name 1 --add-config log.segment.bytes=700000000
configs --describe --entity-type brokers --entity-name 1
configs --alter --entity-type brokers --entity-default --add-config message.max.bytes=2000000
configs --describe --entity-type brokers --entity-default
configs --describe --entity-type brokers
topics --describe --topics-with-overrides
configs --alter --entity-type brokers --entity-name 1 --delete-config log.segment.bytes
configs --alter --entity-type brokers --entity-default --delete-config message.max.bytes
topics --create --topic records --partitions 1 --replication-factor 1
producer-perf --topic records --num-records 1000 --record-size 100 --throughput -1 \
--producer-props bootstrap.servers={address} enable.idempotence=true
get-offsets --topic records
get-offsets --topic records --time earliest
get-offsets --topic absent
log-dirs --describe --topic-list records
transactions describe-producers --topic records --partition 0
delete-records --offset-json-file {offsets}
get-offsets --topic records --time earliest
get-offsets --topic records --time latest
cluster cluster-id
cluster list-endpoints
topics --delete --topic orders
topics --delete --topic records
topics --delete --topic absent
topics --list --exclude-internal
"""
GROUPS = """
topics --create --topic read --partitions 1 --replication-factor 1
producer-perf --topic read --num-records 1000 --record-size 100 --throughput -1 \
--producer-props bootstrap.servers={address} enable.idempotence=true
consumer-perf --topic read --group readers --num-records 900 --timeout 20000
consumer-groups --list
consumer-groups --list --state
consumer-groups --describe --group readers
consumer-groups --describe --group readers --state
consumer-groups --describe --group readers --members
consumer-groups --reset-offsets --group readers --topic read --to-earliest --dry-run
consumer-groups --reset-offsets --group readers --topic read --to-earliest --execute
consumer-groups --describe --group readers
consumer-groups --reset-offsets --group readers --topic read:0 --shift-by 50 --execute
consumer-groups --reset-offsets --group readers --all-topics --to-latest --execute
consumer-groups --describe --all-groups
consumer-groups --delete-offsets --group readers --topic read
consumer-groups --delete --group readers
consumer-groups --delete --group readers
consumer-groups --list
topics --delete --topic read
"""
NODE = """
topics --create --topic node --partitions 2 --replication-factor 1
topics --describe --topic-id {topic_id}
topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ
topics --describe --unavailable-partitions
topics --describe --at-min-isr-partitions --topic node
acls --list
acls --add --allow-principal User:x --operation Read --topic node
acls --remove --force --allow-principal User:x --operation Read --topic node
leader-election --election-type preferred --all-topic-partitions
leader-election --election-type preferred --topic node --partition 0
leader-election --election-type unclean --topic absent --partition 0
reassign --list
reassign --execute --reassignment-json-file {here}
reassign --verify --reassignment-json-file {here}
reassign --execute --reassignment-json-file {elsewhere}
quorum describe --replication
client-metrics --list
topics --delete --topic node
"""
DELETED_BEFORE = 100
VERBS_LAST = ("transactions", "quorum", "features")  # behind the general options
# (what varies, what stands for it); cli/deviations.py has the reasons of those that tell two
# brokers apart.
VARYING = (
    (r"TopicId: \S+", "TopicId: ID"),
    (r"\tElr: .*", ""),
    (r"Configs: min\.insync\.replicas=1,", "Configs: "),
    (r"DYNAMIC_DEFAULT_BROKER_CONFIG:min\.insync\.replicas=1, ", ""),
    (r"(?m)^ *min\.insync\.replicas=1 .*DYNAMIC_DEFAULT_BROKER_CONFIG:min.*\n", ""),
    (r"(?m)Configs: min\.insync\.replicas=1$", "Configs:"),
    (r'"log_dirs":\["[^"]+"\]', '"log_dirs":["DIRECTORY"]'),
    (r"(AAAAAAAAAAAAAAAAAAAAAA\t)\d+ *", r"\1OFFSET"),
    (r"Cluster ID: \S+", "Cluster ID: ID"),
    (r'"logDir":"[^"]+"', '"logDir":"DIRECTORY"'),
    (r'"size":[1-9]\d*', '"size":SIZE'),
    # A producer id has one digit in Kafka and up to 13 here; the column is as wide as it.
    (r"(?m)^ProducerId *\t", "ProducerId\t"),
    (r"(?m)^\d+ *\t(?=\d+ *\t-1 )", "PID\t"),
    (r"\b1[78]\d{11}\b", "TIME"),
    (r"(?m)^(?!1000 )\d+ records sent, .*\n", ""),  # said between, where it takes long
    (r"records sent, .*", "records sent, FIGURES"),
    (r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*", "FIGURES"),
    # Each broker says in its own words why it refuses; where in Kafka's code nobody wants to know.
    (r"(?m)^\tat .*\n", ""),
    (r"(Exception): .*", r"\1: REASON"),
    (r"(Error while executing topic command :) .*", r"\1 REASON"),
)


def transcript(steps: str, address: str) -> str:
    """What the tools print, step by step: each step with `$ `, then its output and exit code.

    Args:
        steps: a line each: the tool's short name, and its arguments.
        address: HOST:PORT of a fresh broker whose node id is 1.
    """
    with tempfile.TemporaryDirectory() as folder:
        offsets = Path(folder, "offsets.json")
        delete = [{"topic": "records", "partition": 0, "offset": DELETED_BEFORE}]
        offsets.write_text(json.dumps({"partitions": delete, "version": 1}))
        given = {
            "address": address,
            "offsets": str(offsets),
            "here": str(_reassignment(Path(folder, "here.json"), 1)),
            "elsewhere": str(_reassignment(Path(folder, "elsewhere.json"), 2)),
        }
        return "".join(_played(step, given) for step in steps.strip().splitlines())


def _reassignment(file: Path, broker: int) -> Path:
    """A file that moves a partition to a broker."""
    parts = [{"topic": "node", "partition": 0, "replicas": [broker]}]
    file.write_text(json.dumps({"partitions": parts, "version": 1}))
    return file


def _topic_id(address: str) -> str:
    words = ("--describe", "--topic", "node", "--bootstrap-server", address)
    found = re.search(r"TopicId: (\S+)", run_tool(TOOLS["topics"], *words).stdout)
    assert found is not None
    return found[1]


def _played(step: str, values: Mapping[str, str]) -> str:
    address = values["address"]
    if "{topic_id}" in step:
        values = {**values, "topic_id": _topic_id(address)}
    tool, *words = step.split()
    given = [word.format(**values) for word in words]
    if "{address}" not in step:
        given += ["--bootstrap-server", address]
    if tool in VERBS_LAST:
        given = [*given[-2:], *given[:-2]]
    done = run_tool(TOOLS[tool], *given)
    said = done.stdout + done.stderr
    host, _, port = address.partition(":")
    said = said.replace(address, "ADDRESS").replace(f"{host} {port}", "HOST PORT")
    for pattern, word in VARYING:
        said = re.sub(pattern, word, said)
    said = re.sub("Configs: (.*)", _sorted_configs, said)
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return "\n".join([f"$ {step}", *lines, f"= {done.returncode}", ""])


def _sorted_configs(found: re.Match[str]) -> str:
    """Kafka lists them in the order of a hash table."""
    return "Configs: " + ",".join(sorted(found[1].split(",")))


def main() -> int:
    """Write the files. Returns the exit code."""
    with RealKafka() as kafka:
        for steps, file in (
            (ADMINISTRATION, ADMINISTRATION_SAID),
            (GROUPS, GROUPS_SAID),
            (NODE, NODE_SAID),
        ):
            file.write_text(transcript(steps, kafka.bootstrap_servers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
