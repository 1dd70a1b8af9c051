"""`--command-config` and the environment: files of every kind, and who may read them."""

from __future__ import annotations

import ssl
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from minibroker.cli.asking.reach import Reach
from minibroker.cli.terminal.addresses import add_bootstrap_server
from minibroker.cli.terminal.running import WrongUsage
from minibroker.testing.security.certificates import Certificates, write_secret

PASSWORD = "do-not-show-me"
LOGIN = f"sasl.mechanism=SCRAM-SHA-256\nsasl.username=carol\nsasl.password={PASSWORD}\n"


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


def parsed(*words: str) -> Namespace:
    parser = ArgumentParser()
    add_bootstrap_server(parser)
    return parser.parse_args(words)


def reach(text: str, tmp_path: Path, environment: Mapping[str, str] | None = None) -> Reach:
    path = tmp_path / "client.properties"
    write_secret(path, text)
    return Reach(parsed("--command-config", str(path)), environment or {})


def test_where_the_brokers_are(tmp_path: Path) -> None:
    text = "bootstrap.servers=file:1"
    assert Reach(parsed(), {}).servers == ["127.0.0.1:9092"]
    assert reach(text, tmp_path).servers == ["file:1"]
    assert reach(text, tmp_path, {"BOOTSTRAP_SERVERS": "env:2"}).servers == ["env:2"]
    args = parsed("--bootstrap-server", "option:3")
    assert Reach(args, {"BOOTSTRAP_SERVERS": "env:2"}).servers == ["option:3"]
    with pytest.raises(WrongUsage, match="BOOTSTRAP_SERVERS"):
        Reach(parsed(), {"BOOTSTRAP_SERVERS": "a:b"})


def test_a_login_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    expected = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "carol",
        "sasl_plain_password": PASSWORD,
    }
    assert reach(f"security.protocol=SASL_PLAINTEXT\n{LOGIN}", tmp_path).security == expected
    variables = {
        "SECURITY_PROTOCOL": "sasl_plaintext",
        "SASL_MECHANISM": "SCRAM-SHA-256",
        "SASL_USERNAME": "carol",
        "SASL_PASSWORD": PASSWORD,
    }
    assert Reach(parsed(), variables).security == expected
    del variables["SECURITY_PROTOCOL"]  # then they may be anybody's
    assert Reach(parsed(), variables).security == {}
    path = tmp_path / "client.properties"
    assert Reach(parsed(), {"COMMAND_CONFIG": str(path)}).security == expected


def test_the_file_stands_above_the_environment(tmp_path: Path) -> None:
    variables = {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_USERNAME": "other"}
    assert reach(LOGIN, tmp_path, variables).security["sasl_plain_username"] == "carol"


def test_pem_by_name_and_in_the_file(tmp_path: Path, certificates: Certificates) -> None:
    authority = certificates.write_authority(tmp_path)
    certfile, keyfile = certificates.write(tmp_path, "client")
    both = tmp_path / "both.pem"
    write_secret(both, certificates.client.pem)

    def line(text: str) -> str:
        return text.replace("\n", "\\n")

    for lines in (
        [
            *(f"ssl.ca.location={authority}", f"ssl.certificate.location={certfile}"),
            f"ssl.key.location={keyfile}",
        ],
        [
            *("ssl.truststore.type=PEM", f"ssl.truststore.location={authority}"),
            *("ssl.keystore.type=PEM", f"ssl.keystore.location={both}"),
        ],
        [
            f"ssl.truststore.certificates={line(certificates.authority_pem)}",
            f"ssl.keystore.key={line(certificates.client.key)}",
            f"ssl.keystore.certificate.chain={line(certificates.client.certificate)}",
        ],
    ):
        text = "\n".join(["security.protocol=SSL", *lines])
        context = reach(text, tmp_path).security["ssl_context"]
        assert context.cert_store_stats()["x509_ca"] == 1
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


def test_pkcs12(tmp_path: Path, certificates: Certificates) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.serialization import pkcs12

    pair = certificates.client
    own = x509.load_pem_x509_certificate(pair.certificate.encode())
    key = forms.load_pem_private_key(pair.key.encode(), None)
    authority = x509.load_pem_x509_certificate(certificates.authority_pem.encode())
    closed = forms.BestAvailableEncryption(PASSWORD.encode())
    store = tmp_path / "client.p12"
    held: Any = (b"c", key, own, [authority], closed)
    store.write_bytes(pkcs12.serialize_key_and_certificates(*held))
    text = (
        f"security.protocol=SSL\nssl.keystore.location={store}\nssl.keystore.password={PASSWORD}\n"
        f"ssl.truststore.location={store}\nssl.truststore.type=PKCS12\n"
        f"ssl.truststore.password="
    )
    assert reach(text + PASSWORD, tmp_path).security["ssl_context"].cert_store_stats()["x509_ca"]
    with pytest.raises(WrongUsage, match="cannot be opened; is ssl"):
        reach(text + "other", tmp_path)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="nowhere: No such file"):
        Reach(parsed("--command-config", str(tmp_path / "nowhere")), {})
    with pytest.raises(WrongUsage, match="keytool -importkeystore"):
        reach("security.protocol=SSL\nssl.truststore.location=a.jks", tmp_path)
    with pytest.raises(WrongUsage, match=r"ssl.truststore.location=.*No such file"):
        reach("security.protocol=SSL\nssl.ca.location=nowhere.pem", tmp_path)


def test_a_file_with_a_secret_that_others_may_read_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "client.properties"
    for text, mode, is_told in ((LOGIN, 0o644, True), (LOGIN, 0o600, False), ("", 0o644, False)):
        path.write_text(f"security.protocol=SASL_PLAINTEXT\n{text}" if text else "")
        path.chmod(mode)
        Reach(parsed("--command-config", str(path)), {})
        said = capsys.readouterr().err
        assert ("chmod 600" in said) is is_told
        assert PASSWORD not in said


def test_a_command_without_security_imports_nothing_of_it() -> None:
    code = """if True:
        import sys
        from argparse import Namespace
        from minibroker.cli.asking.reach import Reach
        reach = Reach(Namespace(command_config=None, bootstrap_server=None), {})
        assert reach.of_connections() is None
        unasked = {name for name in sys.modules if ".security" in name or "jaas" in name}
        assert not unasked, unasked
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
