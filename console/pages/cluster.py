"""EDGE: the first page: brokers, what they promise, what there is, how they are.

Tests: tests/system/console/test_pages.py
"""

from __future__ import annotations

from starlette.responses import Response

from ..reading.ours import status_of
from ..reading.overview import directories, overview
from .visit import Visit, page


async def show(visit: Visit) -> Response:
    """The whole page."""
    return visit.page(
        "cluster.html",
        overview=await overview(visit.kafka),
        status=await status_of(visit.kafka),
    )


async def figures(visit: Visit) -> Response:
    """The part that is renewed every two seconds."""
    return visit.page("part/figures.html", status=await status_of(visit.kafka))


async def disks(visit: Visit) -> Response:
    """What lies in the directories of each broker: asked for apart, as it may take a while."""
    cluster = await visit.kafka.cluster()
    return visit.page("part/disks.html", disks=await directories(visit.kafka, cluster.brokers))


ROUTES = (
    page("/", show),
    page("/cluster/figures", figures),
    page("/cluster/disks", disks),
)
