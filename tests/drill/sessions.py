"""Bugs to plant in the durable session, each a method replaced: its worlds must see them.

By the points of what a session promises: 1 the prefix, 2 marks, 3 settling first, 4 identities,
5 never guessed, 6 what is journaled does not expire, 7 one owner; and the journal beneath.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import pytest
from minibroker.client.produce.accumulator import Place
from minibroker.client.produce.batch import ProducerBatch, StoredAt
from minibroker.client.session import settler, settling
from minibroker.client.session.entries import Confirmation, Confirmed, Cut, Position, Source
from minibroker.client.session.journal_writer import JournalWriter
from minibroker.client.session.leaving.gate import JournaledSender
from minibroker.client.session.leaving.keeping import Keeping, Written
from minibroker.client.session.leaving.ownership import NOBODY, Grant, Ownership
from minibroker.client.session.leaving.sending import JournaledSending
from minibroker.client.session.outcomes import Reason, Stored
from minibroker.client.session.settling import Listed, Send, Settling, Step
from minibroker.client.session.steps.step_intake import StepIntake

from tests.simulation.disk import run_seeds
from tests.simulation.sessions import CAMPAIGNS

Plant = Callable[[pytest.MonkeyPatch], None]


def batches_leave_before_they_are_flushed(patch: pytest.MonkeyPatch) -> None:
    """1. What is journaled goes at once."""
    patch.setattr(Keeping, "is_safe", lambda *_: True)


def a_cut_takes_one_partition(patch: pytest.MonkeyPatch) -> None:
    """1. What was sent to others is not journaled with it, and the newest marks are."""
    cut = JournaledSender.cut

    def planted(self: JournaledSender, now_ms: float) -> None:
        queues = self._accumulator.queues
        others: dict[Place, Any] = dict([*queues.items()][1:])
        for place in others:
            del queues[place]
        cut(self, now_ms)
        queues.update(others)

    patch.setattr(JournaledSender, "cut", planted)


def marks_go_before_their_records(patch: pytest.MonkeyPatch) -> None:
    """2. A mark is journaled as soon as it is given."""

    def planted(self: Keeping, source: Source, position: Position, now_ms: float) -> None:
        self.journal.append([Cut({source: position}, ())])

    patch.setattr(Keeping, "mark", planted)


def steps_leave_before_they_close(patch: pytest.MonkeyPatch) -> None:
    """2. What is sent within one goes as if there was none; the mark comes at the end."""
    intake = StepIntake.__mro__[1]
    patch.setattr(StepIntake, "add", intake.add)  # type: ignore[attr-defined]


def what_was_open_is_taken_for_stored(patch: pytest.MonkeyPatch) -> None:
    """3. Nobody looks at a start."""
    begin = JournaledSender.begin

    def planted(self: JournaledSender, journal: Any) -> None:
        numbers = tuple(map(Confirmation, journal.state.open))
        if numbers:
            journal.append([Confirmed(numbers)])
        begin(self, journal)

    patch.setattr(JournaledSender, "begin", planted)


def what_was_open_is_sent_again_blindly(patch: pytest.MonkeyPatch) -> None:
    """3. Under its identity, and nobody looks whether that is still known."""
    patch.setattr(Settling, "_next", lambda self: Send(self._open[0]))


def listed_is_stored(patch: pytest.MonkeyPatch) -> None:
    """3. Where the producer id is remembered, all that is open is taken for stored."""

    def planted(self: Settling, listed: Listed) -> Step | None:
        return self._store([*self._open])

    patch.setattr(Settling, "_by_listing", planted)


def what_is_absent_goes_under_a_new_identity(patch: pytest.MonkeyPatch) -> None:
    """3. A late request of the dead process brings it once more."""

    def planted(self: Settling, head: Any) -> Step | None:
        return self._renew()

    patch.setattr(Settling, "_send", planted)


def the_log_is_not_read(patch: pytest.MonkeyPatch) -> None:
    """3. What nobody remembers is taken for absent."""
    by_log = Settling._by_log

    def planted(self: Settling, held_for: Reason | None) -> Step | None:
        return by_log(self, held_for) if held_for else self._send(self._open[0])

    patch.setattr(Settling, "_by_log", planted)


def an_old_producer_id_goes_on(patch: pytest.MonkeyPatch) -> None:
    """4. A new process takes the identity of the one before, and begins with 0."""
    identify = JournaledSending._identify

    async def planted(self: JournaledSending) -> None:
        identities = self.sender.keeping.journal.state.identities
        if identities:
            super(JournaledSender, self.sender).give_producer_id(identities[-1].producer_id)
        else:
            await identify(self)

    patch.setattr(JournaledSending, "_identify", planted)


def what_nobody_knows_is_guessed(patch: pytest.MonkeyPatch) -> None:
    """5. In place of Unsettled: it will be stored."""

    def planted(self: Settling, batches: Sequence[Any], *_: object) -> Step | None:
        for batch in [*batches]:
            self._close(Stored(batch))
        return None

    patch.setattr(Settling, "_hold", planted)


def an_old_copy_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """5. A log that holds more than the journal says nothing."""
    for module in (settling, settler):
        patch.setattr(module, "check_not_beyond", lambda *_: None)


def what_is_journaled_expires(patch: pytest.MonkeyPatch) -> None:
    """6. After delivery_timeout_ms it is forgotten."""
    expire = JournaledSender.expire

    def planted(self: JournaledSender, now_ms: float) -> None:
        expire(self, now_ms)
        for batch in [*self.keeping.written]:
            lane = self._lanes[batch.topic, batch.partition]
            if batch.outcome is not None and not batch.is_on_wire and batch not in lane.waits_for:
                lane.give_up(batch)
                self._confirm(lane, batch, StoredAt(-1, -1, -1), now_ms)

    patch.setattr(JournaledSender, "expire", planted)


def pieces_are_not_journaled(patch: pytest.MonkeyPatch) -> None:
    """6. A batch that was split leaves as pieces that nobody has written down."""

    def planted(self: Keeping, batch: ProducerBatch, pieces: Sequence[ProducerBatch]) -> None:
        number, group = self.written.pop(batch)
        for piece in pieces:
            self.written[piece] = Written(number, group)

    patch.setattr(Keeping, "split", planted)


def new_identities_of_batches_are_not_flushed(patch: pytest.MonkeyPatch) -> None:
    """4. What was restamped leaves at once."""
    restamped = Keeping.restamped

    def planted(self: Keeping, floors: Any, batches: Sequence[ProducerBatch]) -> None:
        restamped(self, floors, batches)
        for batch in batches:
            self.written[batch] = Written(self.written[batch].number, 0)

    patch.setattr(Keeping, "restamped", planted)


def an_owner_ends_its_own_epoch(patch: pytest.MonkeyPatch) -> None:
    """7. It has the coordinator give one more, and goes on under the one before."""
    renew = Ownership.renew

    async def planted(self: Ownership) -> None:
        await renew(self)
        await self._initialise(Grant(NOBODY, NOBODY))

    patch.setattr(Ownership, "renew", planted)


def a_failed_flush_is_a_flush(patch: pytest.MonkeyPatch) -> None:
    """The journal goes on as if the disk had kept it."""
    sync = JournalWriter.sync

    def planted(self: JournalWriter) -> None:
        with suppress(OSError):
            sync(self)

    patch.setattr(JournalWriter, "sync", planted)


def a_journal_is_written_anew_without_a_flush(patch: pytest.MonkeyPatch) -> None:
    """It is renamed, and its content is in the page cache."""
    write_new = JournalWriter._write_new

    def planted(self: JournalWriter, buffers: Any) -> Any:
        class Unflushed:
            """Everything else is the directory's."""

            def __init__(self, disk: Any) -> None:
                self._disk = disk

            def create(self, name: str) -> Any:
                file = self._disk.create(name)
                file.flush = lambda: None
                return file

        disk, self._disk = self._disk, Unflushed(self._disk)  # type: ignore[assignment]
        try:
            file, size = write_new(self, buffers)
        finally:
            self._disk = disk
        del file.flush  # later ones are real
        return file, size

    patch.setattr(JournalWriter, "_write_new", planted)


_ALL: Final = (
    batches_leave_before_they_are_flushed,
    a_cut_takes_one_partition,
    marks_go_before_their_records,
    steps_leave_before_they_close,
    what_was_open_is_taken_for_stored,
    what_was_open_is_sent_again_blindly,
    listed_is_stored,
    what_is_absent_goes_under_a_new_identity,
    the_log_is_not_read,
    an_old_producer_id_goes_on,
    what_nobody_knows_is_guessed,
    an_old_copy_is_not_noticed,
    what_is_journaled_expires,
    pieces_are_not_journaled,
    new_identities_of_batches_are_not_flushed,
    an_owner_ends_its_own_epoch,
    a_failed_flush_is_a_flush,
    a_journal_is_written_anew_without_a_flush,
)
PLANTS: Final = {each.__name__.replace("_", " "): each for each in _ALL}
"""By the name of the bug."""
LOSING: Final = frozenset(("what nobody knows is guessed",))
"""What is seen where brokers lose what they had confirmed."""


def hunt(name: str | None, worlds_max: int, first: int = 0) -> tuple[int, str]:
    """Worlds until one goes wrong; returns how many, and what was found.

    Args:
        name: of the bug; None for none.
    """
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            PLANTS[name](patch)
        campaign = CAMPAIGNS[1 if name in LOSING else 0]
        tally = run_seeds(campaign, range(first, first + worlds_max))
    return tally.runs, tally.failure
