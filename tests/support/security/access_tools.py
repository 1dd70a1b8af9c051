"""EDGE: what kafka-acls and kafka-configs print of rights and quotas, step by step.

    python -m tests.support.security.access_tools

writes down anew what they print of a real Apache Kafka, in tests/golden. They go through hash
tables: the lines of a step are told in alphabetical order.
"""

from __future__ import annotations

import sys
from pathlib import Path

from minibroker.broker.config.broker import STANDARD_AUTHORIZER

from tests.support.answers.kafka_tools import GOLDEN, transcript
from tests.support.processes.kafka import RealKafka

ACCESS_SAID: Path = GOLDEN / "kafka_access_tools.txt"
SETTINGS = {"authorizer.class.name": STANDARD_AUTHORIZER, "super.users": "User:ANONYMOUS"}
ACCESS = """
acls --list
acls --add --allow-principal User:shop --producer --topic orders --transactional-id shop
acls --add --allow-principal User:audit --consumer --topic orders --group audit
acls --add --deny-principal User:* --deny-host 10.0.0.1 --operation Delete --topic or \
--resource-pattern-type prefixed
acls --add --allow-principal shop --operation Read --topic orders
acls --add --allow-principal User:shop --operation Describe --cluster
acls --list --topic orders --resource-pattern-type match
acls --list --principal User:audit
acls --remove --force --allow-principal User:shop --operation Create --topic orders
acls --remove --force --topic or --resource-pattern-type prefixed
acls --list
configs --alter --entity-type users --entity-name alice \
--add-config producer_byte_rate=1000,request_percentage=12.5
configs --alter --entity-type users --entity-name alice --entity-type clients --entity-default \
--add-config consumer_byte_rate=5
configs --alter --entity-type clients --entity-name app --add-config controller_mutation_rate=1.5
configs --alter --entity-type ips --entity-name 127.0.0.9 --add-config connection_creation_rate=7
configs --alter --entity-type users --entity-name alice --add-config producer_byte_rate=0
configs --alter --entity-type users --entity-name alice --delete-config consumer_byte_rate
configs --describe --entity-type users
configs --describe --entity-type users --entity-type clients
configs --describe --entity-type ips
configs --describe --user alice
configs --alter --user alice --delete-config producer_byte_rate,request_percentage
configs --describe --user alice
configs --alter --user alice --add-config SCRAM-SHA-256=[iterations=4096,password=x]
configs --describe --entity-type users
"""


def access_transcript(address: str) -> str:
    """What the tools print of the broker at this address; it is a fresh one."""
    steps = transcript(ACCESS, address).split("\n$ ")
    return "\n$ ".join(_in_order(each) for each in steps)


def _in_order(step: str) -> str:
    first, *lines = step.splitlines()
    return "\n".join([first, *sorted(filter(None, lines))]) + "\n"


def main() -> int:
    """Write the file. Returns the exit code."""
    with RealKafka(settings=SETTINGS) as kafka:
        ACCESS_SAID.write_text(access_transcript(kafka.bootstrap_servers), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
