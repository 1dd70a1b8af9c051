"""The records of a topic on the pages: looked for, shown harmless, produced, followed live."""

from __future__ import annotations

from minibroker.client.producer import Producer
from minibroker.console.settings import Right
from minibroker.testing import TestBroker

from tests.support.console.browsing import console_on

MARKUP = b"<script>alert(1)</script><img src=x onerror=alert(2)>"


async def test_records_are_found_by_offset_time_key_and_text() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders", 3)
        async with Producer(broker.bootstrap_servers) as producer:
            for number in range(300):
                key = f"key-{number}".encode()
                value = f"value-{number}.".encode()
                await producer.send("orders", value, key=key, timestamp_ms=1_000_000 + number)
        async with console_on(broker.bootstrap_servers) as browser:
            newest = await browser.text("/topics/orders/messages?limit=5")
            assert "value-299." in newest
            assert "value-100." not in newest
            assert "value-0." in await browser.text("/topics/orders/messages?start=oldest")
            by_key = await browser.text("/topics/orders/messages?key=key-123")
            assert "value-123." in by_key
            assert "value-124." not in by_key
            by_text = await browser.text("/topics/orders/messages?text=value-77.")
            assert "value-77." in by_text
            assert "value-78." not in by_text
            by_time = "/topics/orders/messages?start=time&at=1000250&limit=1"
            assert "value-250." in await browser.text(by_time)
            by_offset = await browser.text("/topics/orders/messages?partition=0&start=offset&at=5")
            assert ">5</a>" in by_offset
            assert ">4</a>" not in by_offset
            assert "is none of them" in await browser.text(
                "/topics/orders/messages?partition=7", 400
            )


async def test_going_back_passes_every_record_once() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        async with Producer(broker.bootstrap_servers) as producer:
            for number in range(130):
                await producer.send("orders", b"value-%d." % number)
        async with console_on(broker.bootstrap_servers) as browser:
            seen: list[int] = []
            path = "/topics/orders/messages?partition=0&limit=40"
            for before in (None, 90, 50, 10):
                text = await browser.text(path if before is None else f"{path}&before={before}")
                seen += [n for n in range(130) if f"value-{n}." in text]
            assert sorted(seen) == list(range(130))


async def test_a_batch_tells_producer_epoch_sequence_codec_and_crc() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        async with Producer(broker.bootstrap_servers, compression_type="gzip") as producer:
            await producer.send_many("orders", [b"x"] * 100)  # more than a look's first step
        async with console_on(broker.bootstrap_servers) as browser:
            text = await browser.text("/topics/orders/messages?view=batches&partition=0")
            for word in ("gzip", "idempotent", "holds"):
                assert word in text
            assert text.count("idempotent") == 1
            one = await browser.text("/topics/orders/records/0/0")
            assert "Sequence" in one


async def test_what_records_hold_is_shown_and_never_obeyed() -> None:
    async with TestBroker() as broker:
        broker.create_topic("odd")
        async with Producer(broker.bootstrap_servers) as producer:
            await producer.send("odd", MARKUP, key=MARKUP, headers=[(MARKUP.decode(), MARKUP)])
            await producer.send("odd", b'{"a": "</pre>' + MARKUP + b'"}')
            await producer.send("odd", b"\x1b[31m\x00" + "\u202e".encode())
            await producer.send("odd", bytes(range(256)))
            await producer.send("odd", b"x" * 1_000_000)
            await producer.send("odd", b"[" * 500 + b"]" * 500)
            await producer.send("odd", b'["\\ud800"]')
        async with console_on(broker.bootstrap_servers) as browser:
            texts = [await browser.text("/topics/odd/messages")]
            for offset in range(7):
                for form in ("text", "json", "hex"):
                    path = f"/topics/odd/records/0/{offset}?value={form}&key={form}"
                    texts.append(await browser.text(path))
            for text in texts:
                assert "<script>alert" not in text
                assert "<img" not in text
                assert "\x1b" not in text
                assert "\u202e" not in text
                assert len(text) < 300_000
            kept = await browser.get("/topics/odd/records/0/0/value")
            assert kept.content == MARKUP
            assert kept.headers["content-disposition"].startswith("attachment")
            assert kept.headers["content-type"] == "application/octet-stream"


async def test_a_record_is_produced_once_with_key_and_headers() -> None:
    async with TestBroker() as broker:
        broker.create_topic("orders")
        async with console_on(broker.bootstrap_servers, rights=[Right.CHANGES]) as browser:
            path = "/topics/orders/produce"
            answer = await browser.post(
                path, from_page=path, value="hello", key="k", headers="a: b"
            )
            assert answer.status_code == 303
            assert "Stored once" in await browser.text(answer.headers["location"])
        broker.assert_stored_once("orders", [b"hello"])


async def test_what_comes_is_seen_live() -> None:
    async with TestBroker() as broker, console_on(broker.bootstrap_servers) as browser:
        broker.create_topic("orders", 2)
        await broker.produce("orders", b"before")

        async def send() -> None:
            await broker.produce("orders", MARKUP)

        said = await browser.events(
            "/topics/orders/tail",
            until=lambda said: "event: rows" in said,
            when=lambda said: "event: state" in said,
            then=send,
        )
        assert "&lt;script&gt;" in said
        assert "<script>" not in said
        assert "before" not in said
