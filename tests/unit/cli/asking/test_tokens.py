"""Tokens from an issuer, from a file, and those nobody has signed."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from minibroker.broker.config.properties import Secret
from minibroker.cli.asking.client_properties import TokenEndpoint
from minibroker.cli.asking.tokens import tokens_of

SECRET = "do-not-show-me"


class Issuer(BaseHTTPRequestHandler):
    """Gives a token to who knows the secret."""

    asked: dict[str, str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        user = b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/token")
            self.end_headers()
            return
        is_known = user == f"id:{SECRET}" and "grant_type=client_credentials" in body
        self.send_response(200 if is_known else 401)
        self.end_headers()
        told: Any = {"access_token": "issued"} if "scope=all" in body else {}
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Issuer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


def test_an_issuer(url: str) -> None:
    def endpoint(secret: str, scope: str) -> TokenEndpoint:
        return TokenEndpoint(url, "id", Secret(secret), scope)

    assert tokens_of(endpoint(SECRET, "all"))() == "issued"
    with pytest.raises(OSError, match="answered 401") as caught:
        tokens_of(endpoint("wrong-secret", "all"))()
    assert "wrong-secret" not in str(caught.value)
    elsewhere = TokenEndpoint(url.replace("/token", "/elsewhere"), "id", Secret(SECRET), "all")
    with pytest.raises(OSError, match="answered 302"):
        tokens_of(elsewhere)()
    with pytest.raises(OSError, match="without an access_token"):
        tokens_of(endpoint(SECRET, ""))()


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "a token"
    file.write_text("first\n")
    give = tokens_of(TokenEndpoint(file.as_uri()))
    assert give() == "first"
    file.write_text("second")
    assert give() == "second"


def test_an_unsecured_token_names_its_subject() -> None:
    head, claims, signature = tokens_of(TokenEndpoint("", subject="eve"))().split(".")
    assert json.loads(urlsafe_b64decode(head + "==")) == {"alg": "none"}
    assert json.loads(urlsafe_b64decode(claims + "=="))["sub"] == "eve"
    assert not signature
