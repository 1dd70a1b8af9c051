"""EDGE: one broker, and what each check has a client do with it.

Every check fails with an AssertionError or a ProgramFailed whose first line says what was wrong.
What is stored is read by raw Fetch; no client is believed about its own work.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence

from tests.interop.matrix.catalogue import LOST_ANSWERS, READ, WRITE, Client, judge_of
from tests.interop.matrix.environments import Runnable
from tests.interop.matrix.judgement import (
    assert_codec,
    assert_equal,
    assert_once_in_order,
    assert_sequences,
)
from tests.interop.matrix.records import Written, as_line, from_line
from tests.support.processes.broker import BrokerProcess
from tests.support.processes.proxy import losing_proxy
from tests.support.records.stored import create_topic, read_batches, read_records

RECORDS = 10_000
BATCH_BYTES = 16_384
LOSE_EVERY = 5
SMALL_BATCH_BYTES = 2_000  # enough batches for answers to be lost
PROGRAM_TIMEOUT_S = 300
QUOTED_CHARACTERS = 2_000


class ProgramFailed(Exception):
    """A client's program ended with an error; quotes the end of what it said."""


class Stage:
    """A running broker and the environments that were made."""

    def __init__(self, broker: BrokerProcess) -> None:
        self._broker = broker
        self._runnables: dict[str, Runnable] = {}
        self._versions: dict[str, dict[str, str]] = {}
        self._references: set[str] = set()

    def prepare(self, client: Client) -> dict[str, str]:
        """Make the environments of a client and its judge; raises EnvironmentMissing.

        Returns: what the client says of itself: "version", "runs_on".
        """
        for each in (client, judge_of(client)):
            if each.name not in self._runnables:
                self._runnables[each.name] = each.environment()
                self._versions[each.name] = json.loads(self._run(each, "describe"))
        return self._versions[client.name]

    def perform(self, client: Client, check: str) -> None:
        """Do one check of `client.checks()`."""
        what, _, codec = check.partition("-")
        topic = f"{client.name}-{check}"
        if check == LOST_ANSWERS:
            self._write_losing_answers(client, topic)
        elif what == WRITE:
            self._write(client, topic, codec)
            self._read(judge_of(client), topic, client.records(topic, RECORDS))
        else:
            assert what == READ, check
            judge = judge_of(client)
            reference = f"reference-{judge.name}-{codec}"
            if reference not in self._references:
                self._write(judge, reference, codec)
                self._references.add(reference)
            self._read(client, reference, judge.records(reference, RECORDS))

    def _write(self, client: Client, topic: str, codec: str) -> None:
        create_topic(self._broker.port, topic)
        expected = client.records(topic, RECORDS)
        where = self._broker.bootstrap_servers
        lines = _lines(expected)
        said = self._run(client, "write", where, topic, codec, str(BATCH_BYTES), stdin=lines)
        self._check_stored(client, topic, expected, said)
        assert_codec([header for header, _ in read_batches(self._broker.port, topic)], codec)

    def _write_losing_answers(self, client: Client, topic: str) -> None:
        create_topic(self._broker.port, topic)
        expected = client.records(topic, RECORDS)
        lines = _lines(expected)
        with losing_proxy(self._broker.bootstrap_servers, lose_every=LOSE_EVERY) as proxy:
            where = proxy.bootstrap_servers
            options = (where, topic, "none", str(SMALL_BATCH_BYTES))
            said = self._run(client, "write", *options, stdin=lines)
        self._check_stored(client, topic, expected, said)
        batches = len(read_batches(self._broker.port, topic))
        assert proxy.lost >= batches // LOSE_EVERY > 0, f"{proxy.lost} lost of {batches} batches"

    def _check_stored(
        self,
        client: Client,
        topic: str,
        expected: Sequence[Written],
        said: str,
    ) -> None:
        stored = read_records(self._broker.port, topic)
        assert_once_in_order(stored, expected, json.loads(said)["offsets"])
        assert_sequences(stored, is_idempotent=client.is_idempotent)

    def _read(self, client: Client, topic: str, expected: Sequence[Written]) -> None:
        where = self._broker.bootstrap_servers
        said = self._run(client, "read", where, topic, str(len(expected)))
        lines = [from_line(line) for line in said.splitlines()]
        assert_equal([record for _, record in lines], expected, f"{client.name} read")
        offsets = [offset for offset, _ in lines]
        assert offsets == list(range(len(expected))), f"{client.name} read other offsets"

    def _run(self, client: Client, *arguments: str, stdin: str = "") -> str:
        runnable = self._runnables[client.name]
        try:
            done = subprocess.run(
                [*runnable.command, *arguments],
                env={**os.environ, **runnable.environment},
                input=stdin,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=PROGRAM_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            text = f"{client.name} {arguments[0]}: still at it after {PROGRAM_TIMEOUT_S} s"
            raise ProgramFailed(f"{text}\n{late.stderr!r}"[:QUOTED_CHARACTERS]) from None
        if done.returncode:
            end = done.stderr.strip()[-QUOTED_CHARACTERS:]
            last = end.rpartition("\n")[2]
            raise ProgramFailed(f"{client.name} {arguments[0]}: {last}\n{end}")
        return done.stdout


def _lines(records: Sequence[Written]) -> str:
    return "".join(f"{as_line(record)}\n" for record in records)
