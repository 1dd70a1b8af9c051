"""Bugs of transactions to plant: each numbered duty of docs/design.md broken once, and some more.

The machines of `make sim-txn` with fsync must catch each. Not among them: that a marker is seen
before it is durable, while its decision is. Nothing that a client is told comes of that alone, for
a start appends the same marker before it answers anybody. Read first: bugs.py.
"""

from __future__ import annotations

from tests.drill.bugs import Bug

TRANSACTION_BUGS = (
    Bug(
        "1: added, and not flushed",
        "broker.log.ledger",
        [
            (
                "            self._group_commit.written(self.log)\n",
                """            if "Ongoing" not in map(_kafka_name, records):
                self._group_commit.written(self.log)
""",
            ),
            (
                "class Ledger(",
                """def _kafka_name(record: object) -> str:
    transaction = getattr(record, "transaction", None)
    return "" if transaction is None else transaction.state.kafka_name


class Ledger(""",
            ),
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
        "6: stable before its marker is",
        "broker.partitions.partition",
        [
            (
                """        oldest = self.transactions.oldest
        if oldest is None:
            return self.high_watermark
""",
                """        oldest = self.transactions.oldest
        if oldest is None or oldest.is_closed:
            return self.high_watermark
""",
            )
        ],
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
        "a start takes the next for the last",
        "broker.transactions.claims",
        [
            (
                "return opened.producer_epoch >= prepare",
                "return False and opened.producer_epoch >= prepare",
            )
        ],
    ),
    Bug(
        "an older epoch may go on",
        "broker.partitions.sequences",
        [("elif producer_epoch < epoch_known:", "elif producer_epoch < epoch_known - 1:")],
    ),
    Bug(
        "offsets of an abort are committed",
        "broker.groups.offsets",
        [("if marker.is_commit and not each.is_superseded:", "if not each.is_superseded:")],
    ),
    Bug(
        "an epoch takes the place of what is stable",
        "broker.apis.fetch",
        [
            ("epoch, epoch_end_offset = partition", "epoch, end_offset = partition"),
            ("or epoch_end_offset < asked.fetch_offset", "or end_offset < asked.fetch_offset"),
            ("end_offset=epoch_end_offset)", "end_offset=end_offset)"),
        ],
    ),
    Bug(
        "what is aborted is forgotten by a start",
        "broker.log.recovery",
        [("        segment.aborted.add(aborted)\n", "        pass\n")],
    ),
)
