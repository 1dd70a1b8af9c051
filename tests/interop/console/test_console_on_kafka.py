"""Every address of the console on a real Kafka: an answer in words, whole pages and parts alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from minibroker.console.app import make_app
from minibroker.console.settings import Right, Settings
from starlette.routing import Route

from tests.interop.console.driving import PATHS
from tests.interop.console.filling import Size, fill, lively
from tests.interop.console.running import cluster, missing
from tests.support.console.browsing import Browser, console_on

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(missing(["kafka"]) is not None, reason=str(missing(["kafka"]))),
]
PLACES = {
    "topic": "orders",
    "group": "readers",
    "id": "billing-done",
    "partition:int": "0",
    "offset:int": "3",
}
IN_WORDS = (200, 303, 400, 403, 422, 502)
STREAMS = ("/topics/{topic}/tail", "/why/live")


def addresses(method: str) -> Iterator[str]:
    """Those of all routes that there are."""
    for route in make_app(Settings(servers=["127.0.0.1:1"])).routes:
        if isinstance(route, Route) and method in (route.methods or ()):
            path = route.path
            for name, value in PLACES.items():
                path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value)
            assert "{" not in path, f"say in PLACES what stands there: {path}"
            yield path


async def test_no_address_is_a_defect() -> None:
    async with cluster("kafka") as servers:
        await fill(servers, Size(topics=8, records=1_000, groups=30))
        rights = [Right.CHANGES, Right.FAULTS]
        async with lively(servers), console_on(servers, rights=rights) as browser:
            for path in [*addresses("GET"), *PATHS]:
                if path in [each.replace("{topic}", "orders") for each in STREAMS]:
                    continue
                for headers in ({}, {"hx_request": "true"}):
                    answer = await browser.get(path, **headers)
                    assert answer.status_code in (200, 303), f"{path}: {answer.text[-500:]}"
            assert (await browser.get("/why/live")).status_code == 404
            for path in addresses("POST"):
                answer = await browser.post(path, from_page="/topics/orders/produce")
                assert answer.status_code in (200, 303, 400, 403, 422, 502), (
                    f"{path}: {answer.text}"
                )
            assert "Nothing yet" in await browser.text("/topics/orders/live")
            await _tail(browser)


async def _tail(browser: Browser) -> None:
    async def produce() -> None:
        form = "/topics/orders/produce"
        answer = await browser.post(form, from_page=form, value="as it comes")
        assert answer.status_code == 303

    await browser.events(
        "/topics/orders/tail",
        until=lambda said: "as it comes" in said,
        when=lambda said: "event: state" in said,
        then=produce,
    )
