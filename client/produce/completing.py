"""Whether the transaction before is complete, so that the next one's batches are welcome. Pure.

With KIP-890 a coordinator answers EndTxn when it has decided, and writes the markers behind that,
which takes it some ms. 1. A commit is answered. 2. The next transaction's first batch is written.
3. Its broker adds the partition at the coordinator, which is not done: the broker tries again after
add.partitions.to.txn.retry.backoff.ms, 20 ms, and all that time the batch waits there. So batches
wait here for what is looked at every ms or so: how the transaction before is getting on.
A coordinator that answers EndTxn when all is done, as ours does, is soon looked at now and then
only.
Source: KIP-890, AddPartitionsToTxnManager.java, ReplicaManager.java.
Tests: tests/unit/client/produce/test_transactional.py
"""

from __future__ import annotations

from typing import Final

PROMPT_ENOUGH: Final = 8  # transactions in a row that were complete at the first look
SKIPPED: Final = 15  # so many are not looked at then, before one is
LOOKS_MAX: Final = 12  # some 100 ms: from then on the brokers may do the waiting


class Completing:
    """Looks at the end of one transaction after the other.

    Attributes:
        is_held: something waits for it.
    """

    def __init__(self) -> None:
        self.is_held = False
        self._is_open = False
        self._looks = 0
        self._prompt = 0
        self._skipped = 0

    def begin(self) -> None:
        """A transaction has been decided."""
        self._is_open = self._prompt < PROMPT_ENOUGH or self._skipped == SKIPPED
        self._skipped = 0 if self._is_open else self._skipped + 1
        self.is_held = False
        self._looks = 0

    def hold(self) -> bool:
        """Whether something that is ready to leave has to wait."""
        self.is_held = self._is_open
        return self._is_open

    @property
    def wants_look(self) -> bool:
        """At once, and from then on as long as something waits for it."""
        return self._is_open and (self.is_held or not self._looks)

    def looked(self, *, is_complete: bool) -> None:
        """How it was found."""
        self._looks += 1
        if is_complete:
            self._prompt = self._prompt + 1 if self._looks == 1 else 0
        elif self._looks < LOOKS_MAX:
            self._prompt = 0
            return
        self._is_open = False

    def leave_it(self) -> None:
        """It cannot be found out."""
        self._is_open = False
