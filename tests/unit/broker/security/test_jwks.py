"""The keys that sign tokens: which are taken, and when they are asked for anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from minibroker.broker.security import jwks
from minibroker.broker.security.jwks import JwksFile, JwksUrl, parsed

from tests.support.security.tokens import jwks as keys_of

WAIT_S = 5


class Site:
    """A web server with one page."""

    def __init__(self) -> None:
        self.page = keys_of("a")
        self.asked = threading.Semaphore(0)
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(site.page)
                site.asked.release()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_only_public_keys_for_signing_are_taken() -> None:
    listed = json.loads(keys_of("a", "b"))
    listed["keys"][1]["use"] = "enc"
    listed["keys"] += [{"kty": "oct", "k": "c2VjcmV0", "kid": "s"}, {"kty": "new", "kid": "n"}, 5]
    assert list(parsed(json.dumps(listed).encode())) == ["a"]
    for text in (b"", b"{}", b"[]", b'{"keys":[]}', b'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'):
        with pytest.raises(ValueError, match=r"no JWKS|no public key"):
            parsed(text)


def test_a_file_that_has_changed_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "LOOK_EVERY_S", 0.0)
    path = tmp_path / "jwks.json"
    path.write_bytes(keys_of("a"))
    file = JwksFile(path)
    assert file.key("a") is file.key(None) is not None
    assert file.key("b") is None
    path.write_bytes(keys_of("a", "b"))
    assert file.key("b") is not None
    assert file.key(None) is file.key("a")
    path.write_text("half")
    assert file.key("b") is not None


def test_an_address_is_asked_at_the_start_and_for_a_key_that_is_not_known(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "ASK_AGAIN_S", 0.0)
    keys = JwksUrl(site.url, 1000.0)
    try:
        assert site.asked.acquire(timeout=WAIT_S)
        site.page = keys_of("a", "b")
        while keys.key("b") is None:
            assert site.asked.acquire(timeout=WAIT_S)
    finally:
        keys.close()


def test_who_names_unknown_keys_does_not_make_us_ask_all_day(site: Site) -> None:
    keys = JwksUrl(site.url, 1000.0)
    try:
        assert site.asked.acquire(timeout=WAIT_S)
        for _ in range(100):
            keys.key("zzz")
        assert not site.asked.acquire(timeout=0.2)
    finally:
        keys.close()
