"""Bugs of transactions to plant: each numbered duty of docs/design.md broken once, and some more.

The machines of `make sim-txn` with fsync must catch each. Read first: bugs.py.
"""

from __future__ import annotations

from tests.drill.bugs import Bug

TRANSACTION_BUGS = (
    Bug(
        "1: added, and not flushed",
        "broker.transactions.ledger",
        [
            (
                "            self._group_commit.written(self.log)\n",
                """            from .states import ONGOING
            if not any(each.transaction and each.transaction.state is ONGOING for each in changes):
                self._group_commit.written(self.log)
""",
            )
        ],
    ),
    Bug(
        "2: decided before it is durable",
        "broker.transactions.completion",
        [("        if holds_unflushed:\n", "        if False:\n")],
    ),
    Bug(
        "3: marked before it is decided",
        "broker.transactions.completion",
        [
            (
                "        self._once_flushed(transactional_id, self._mark)\n",
                "        self._mark(transactional_id)\n",
            )
        ],
    ),
    Bug(
        "4: answered before it is decided",
        "broker.transactions.completion",
        [
            (
                "        self._once_flushed(transactional_id, self._mark)\n",
                """        if transactional_id in self._answers:
            self._answer(transactional_id, self._answers[transactional_id][1])
        self._once_flushed(transactional_id, self._mark)
""",
            )
        ],
    ),
    Bug(
        "5: complete before its markers are",
        "broker.transactions.completion",
        [
            (
                "        self._once_flushed(transactional_id, self._complete)\n",
                "        self._complete(transactional_id)\n",
            )
        ],
    ),
    Bug(
        "6: seen before it is durable",
        "broker.partitions.partition",
        [("is_durable=not self.flushed", "is_durable=True")],
    ),
    Bug(
        "7: a start finishes nothing",
        "broker.transactions.transactions",
        [("tuple(self.coordinator.endings), self.completion.go_on", "(), self.completion.go_on")],
    ),
    Bug(
        "7: a start asks nobody",
        "broker.transactions.claims",
        [("    if name is not None:\n", "    if name == '':\n")],
    ),
    Bug(
        "8: a marker without room is dropped",
        "broker.transactions.completion",
        [
            (
                "                self._try_again(transactional_id, where, error)\n",
                "                self._note_marked(transactional_id, where)\n",
            )
        ],
    ),
    Bug(
        "a zombie fences the living",
        "broker.transactions.initialising",
        [("if known in (None, present) else _FENCED", "if True else _FENCED")],
    ),
    Bug(
        "an epoch is not looked at",
        "broker.partitions.sequences",
        [],
    ),
    Bug(
        "offsets of an abort are committed",
        "broker.groups.offsets",
        [],
    ),
)
