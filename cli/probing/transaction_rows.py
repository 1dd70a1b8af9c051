"""Probe rows about transactions, with the answers of Apache Kafka 4.3.1; first read rows.py.

Clients before KIP-890 say which partitions and groups a transaction has; later ones do not, and
take a new epoch with every end. A broker serves both.
Tests: tests/system/commands/test_probe.py
"""

from __future__ import annotations

from .steps import Row, Step, no_partition, plain, produce
from .transaction_steps import (
    KIP_890_OFFSETS,
    KIP_890_PRODUCE,
    add,
    add_offsets,
    commit_offset,
    end,
    end_and_go_on,
    init,
    last_stable,
    no_name,
    read_committed,
    stable_offset,
    write,
)

TIMEOUT_MS_MAX = 2**31 - 1
BEGUN = (init(), add())
COMMIT, ABORT = end(commit=True), end(commit=False)
READ = read_committed()


def write_2(sequence: int, count: int = 1, *, epoch: int = 0) -> Step:
    """As `write`, by a client that adds no partitions."""
    return write(sequence, count, epoch=epoch, at_least=KIP_890_PRODUCE)


TRANSACTIONS = (
    Row("a transactional id, three times", (init(), init(), init()), "0/0 0/1 0/2"),
    Row(
        "the same; then with its epoch 0, 1, 9",
        (init(), init(), init(), init(epoch=0), init(epoch=1), init(epoch=9)),
        "0/0 0/1 0/2 90 90 90",
    ),
    Row(
        "an id, then with its epoch 0, 0 again (a lost answer), 1",
        (init(), init(epoch=0), init(epoch=0), init(epoch=1)),
        "0/0 0/1 0/1 0/2",
    ),
    Row(
        "timeouts of 0, -1 and 2147483647 ms; an empty id",
        (
            init(timeout_ms=0),
            init(timeout_ms=-1),
            init(timeout_ms=TIMEOUT_MS_MAX),
            init(transactional_id=no_name),
        ),
        "50 50 50 42",
    ),
    Row(
        "a batch for a partition that was not added, and a commit",
        (init(), write(0), COMMIT, last_stable()),
        "0/0 48 48 stable=0",
    ),
    Row("adding a partition that does not exist", (init(), add(no_partition)), "0/0 3"),
    Row(
        "seq 0 (2 records), again, 2, 4: a gap; commit, what is read",
        (*BEGUN, write(0, 2), write(0, 2), write(2), write(4), COMMIT, last_stable(4), READ),
        "0/0 0 0@0 0@0 0@2 45 0 stable=4 read=3",
    ),
    Row(
        "the same, with an abort",
        (*BEGUN, write(0, 2), write(0, 2), write(2), write(4), ABORT, last_stable(4), READ),
        "0/0 0 0@0 0@0 0@2 45 0 stable=4 read=0",
    ),
    Row(
        "a transaction, a plain batch behind it; then commit",
        (*BEGUN, write(0), plain(), last_stable(), READ, COMMIT, last_stable(4), READ),
        "0/0 0 0@0 0@1 stable=0 read=0 0 stable=4 read=3",
    ),
    Row(
        "commit, commit again, abort; then add, seq 1, abort, abort again, commit",
        (*BEGUN, write(0), COMMIT, COMMIT, ABORT, add(), write(1), ABORT, ABORT, COMMIT),
        "0/0 0 0@0 0 0 48 0 0@2 0 0 48",
    ),
    Row(
        "a batch without the id, in the middle of a transaction",
        (*BEGUN, write(0), produce(1), COMMIT),
        "0/0 0 0@0 48 0",
    ),
    Row(
        "epoch 1; an end with epoch 0, with 2, with 1",
        (
            *(init(), init(), add(epoch=1), write(0, epoch=1)),
            *(end(commit=True, epoch=0), end(commit=True, epoch=2), end(commit=True, epoch=1)),
            *(last_stable(2), READ),
        ),
        "0/0 0/1 0 0@0 90 90 0 stable=2 read=1",
    ),
    Row(
        "an open transaction, a new producer; the old one: a batch, commit, add",
        (*BEGUN, write(0), init(), write(1), COMMIT, add(), last_stable(2), READ),
        "0/0 0 0@0 0/2 47 90 90 stable=2 read=0",
    ),
    Row(
        "epoch 1 writes; who has epoch 0 asks for its id; a batch and commit of epoch 1",
        (
            *(init(), init(), add(epoch=1), write(0, epoch=1), init(epoch=0)),
            *(write(1, epoch=1), end(commit=True, epoch=1), last_stable(2), READ),
        ),
        "0/0 0/1 0 0@0 90 47 90 stable=2 read=0",
        ours="0/0 0/1 0 0@0 90 0@1 0 stable=3 read=2",
        deviation="zombie-fences",
    ),
    Row(
        "seq 0, abort; in the next transaction seq 0 again (a lost answer), commit",
        (*BEGUN, write(0), ABORT, add(), write(0), COMMIT, last_stable(3), READ),
        "0/0 0 0@0 0 0 0@0 0 stable=3 read=0",
        ours="0/0 0 0@0 0 0 48 0 stable=3 read=0",
        deviation="aborted-retry",
    ),
    Row(
        "seq 0 (3 records), commit; seq 1: an overlap, then 3, abort",
        (*BEGUN, write(0, 3), COMMIT, add(), write(1), write(3), ABORT),
        "0/0 0 0@0 0 0 45 45 0",
        ours="0/0 0 0@0 0 0 45 0@4 0",
        deviation="poisoned-sequences",
    ),
    Row(
        "an offset: not added, added, read, committed, read",
        (
            *(init(), commit_offset(5), add_offsets(), commit_offset(5), stable_offset()),
            *(COMMIT, stable_offset(is_ended=True)),
        ),
        "0/0 48 0 0 88 0 offset=5",
    ),
    Row(
        "an offset, epoch 1 of it, aborted, read",
        (
            *(init(), add_offsets(), commit_offset(5), commit_offset(6, epoch=1)),
            *(ABORT, stable_offset(is_ended=True)),
        ),
        "0/0 0 0 47 0 offset=-1",
    ),
)

COMMIT_2, ABORT_2 = end_and_go_on(commit=True), end_and_go_on(commit=False)
TRANSACTIONS_2 = (
    Row(
        "seq 0, commit, again (a lost answer); epoch 1 seq 0, commit, what is read",
        (
            *(init(), write_2(0), COMMIT_2, COMMIT_2, write_2(0, epoch=1)),
            *(end_and_go_on(commit=True, epoch=1), last_stable(4), READ),
        ),
        "0/0 0@0 0/1 0/1 0@2 0/2 stable=4 read=2",
    ),
    Row(
        "seq 0, abort; epoch 0 seq 1, epoch 1 seq 1, epoch 1 seq 0",
        (
            *(init(), write_2(0), ABORT_2, last_stable(2)),  # the marker: or it may still be taken
            *(write_2(1), write_2(1, epoch=1), write_2(0, epoch=1)),
            *(end_and_go_on(commit=True, epoch=1), last_stable(4), READ),
        ),
        "0/0 0@0 0/1 stable=2 47 45 0@2 0/2 stable=4 read=1",
    ),
    Row(
        "seq 5 first, then seq 0; an end with epoch 1, with epoch 0",
        (init(), write_2(5), write_2(0), end_and_go_on(commit=True, epoch=1), COMMIT_2),
        "0/0 45 0@0 90 0/1",
    ),
    Row(
        "nothing: commit, abort, abort again, commit",
        (init(), COMMIT_2, ABORT_2, ABORT_2, COMMIT_2),
        "0/0 48 0/1 0/1 48",
    ),
    Row(
        "an offset, not added; read, committed, read",
        (
            init(),
            commit_offset(5, at_least=KIP_890_OFFSETS),
            *(stable_offset(), COMMIT_2, stable_offset(is_ended=True)),
        ),
        "0/0 0 88 0/1 offset=5",
    ),
    Row(
        "seq 0, then an end as before KIP-890; seq 1 in the same epoch",
        (init(), write_2(0), COMMIT, last_stable(2), write_2(1), COMMIT, last_stable(4), READ),
        "0/0 0@0 0 stable=2 0@2 0 stable=4 read=2",
    ),
)
