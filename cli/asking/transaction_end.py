"""EDGE: what `minibroker transactions abort` looks at before it ends a transaction.

A transaction is one decision for all its partitions. Aborted in one of them while its coordinator
knows of it, the rest may still be committed: that is for transactions that hang, and for those who
insist.
Tests: tests/system/commands/test_cli_transactions.py
"""

from __future__ import annotations

from ...client.admin import Admin
from ...client.partitions import TopicPartition, name_of
from ..terminal.running import CommandFailed

ONGOING = "Ongoing"


async def terminate(admin: Admin, transactional_id: str) -> None:
    """Abort what is open under a transactional id.

    Raises:
        CommandFailed: nothing is; its producer, perhaps busy elsewhere, is not fenced for nothing.
    """
    state = (await admin.describe_transactions([transactional_id]))[transactional_id].state
    if state != ONGOING:
        raise CommandFailed(f"{transactional_id} has no transaction to abort: its state is {state}")
    await admin.force_terminate_transaction(transactional_id)


async def abort_here(
    admin: Admin, place: TopicPartition, start_offset: int, *, even_if_known: bool
) -> None:
    """Write an abort marker into one partition.

    Raises:
        CommandFailed: a coordinator knows of the transaction, and may end it otherwise elsewhere.
    """
    if not even_if_known:
        await _check_unknown(admin, place, start_offset)
    await admin.abort_transaction(place, start_offset)


async def _check_unknown(admin: Admin, place: TopicPartition, start_offset: int) -> None:
    (producers,) = (await admin.describe_producers([place])).values()
    ids = [each.producer_id for each in producers if each.transaction_start_offset == start_offset]
    if not ids:
        return  # which abort_transaction() tells, and what there is instead
    listed = await admin.list_transactions(producer_ids=ids)
    known = await admin.describe_transactions(each.transactional_id for each in listed)
    for name, each in known.items():
        if place in each.partitions:
            way = (
                f"abort all of it with --transactional-id {name}"
                if each.state == ONGOING
                else "it is about to end it"
            )
            raise CommandFailed(
                f"{name_of(place)}: the coordinator of {name} knows this transaction (its state is "
                f"{each.state}): {way}, or end it in this partition alone with --force"
            )
