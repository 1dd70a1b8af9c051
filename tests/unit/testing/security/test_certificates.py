"""Certificates for tests: keys that only their owner may read."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from minibroker.testing.security.certificates import Certificates

NAMES = ("server", "client", "expired", "wrong_host")


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_fits_and_its_key_is_its_owners(name: str, tmp_path: Path) -> None:
    certificates = Certificates()
    certificate, key = certificates.write(tmp_path, name)
    assert os.stat(key).st_mode & 0o777 == 0o600
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    ssl.create_default_context(cafile=certificates.write_authority(tmp_path))


def test_nothing_is_imported_before_one_is_asked_for() -> None:
    code = (
        "import sys, minibroker.testing.security.certificates; assert 'trustme' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
