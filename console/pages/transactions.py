"""EDGE: transactions: the list, one of them, and its end by force.

Tests: tests/system/console/test_transactions.py
"""

from __future__ import annotations

import time

from starlette.responses import Response

from ..reading.paging import COSTLY_ROWS, paged
from ..reading.transactions import OPEN, all_transactions, held_by, rows_of
from ..settings import Right
from .visit import Visit, action, page, to


async def show(visit: Visit) -> Response:
    """The list, open ones first."""
    wanted, only_open = visit.asked("q").lower(), visit.asked("open") == "1"
    listed = [
        each
        for each in await all_transactions(visit.kafka)
        if wanted in each.transactional_id.lower() and (not only_open or each.state in OPEN)
    ]
    found = paged(listed, visit.number("page", 1, 1), COSTLY_ROWS)
    rows = await rows_of(visit.kafka, found.items)
    template = "part/transaction_rows.html" if visit.is_fragment else "transactions.html"
    return visit.page(
        template,
        found=found,
        rows=rows,
        q=visit.asked("q"),
        only_open=only_open,
        now_ms=time.time() * 1000,
    )


async def one(visit: Visit) -> Response:
    """One transactional id, and what waits for it."""
    name = visit.part("id")
    transaction = (await visit.kafka.describe_transactions([name]))[name]
    return visit.page(
        "transaction.html",
        transaction=transaction,
        is_open=transaction.state in OPEN,
        held=await held_by(visit.kafka, transaction),
        now_ms=time.time() * 1000,
        done=visit.asked("done"),
    )


async def abort(visit: Visit) -> Response:
    """Abort what is open under an id, and fence its producer."""
    name = visit.part("id")
    await visit.kafka.force_terminate_transaction(name)
    visit.kafka.cached.forget()
    return visit.see(to("transactions", name, done="1"))


ROUTES = (
    page("/transactions", show),
    action("/transactions/{id:path}/abort", abort, Right.CHANGES),
    page("/transactions/{id:path}", one),
)
