"""A certificate's name, as Java writes it."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier
from minibroker.broker.security.certificate_names import subject_name

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name: x509.Name) -> bytes:
    """A certificate of that subject, in DER."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def name_of(*parts: tuple[ObjectIdentifier, str]) -> str:
    """The text of a subject with these parts, in the certificate's order."""
    return subject_name(certificate(x509.Name([x509.NameAttribute(*each) for each in parts])))


def test_the_last_part_of_the_certificate_comes_first() -> None:
    parts = [
        (NameOID.COMMON_NAME, "client"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "lab"),
        (NameOID.ORGANIZATION_NAME, "facts"),
    ]
    assert name_of(*parts) == "O=facts,OU=lab,CN=client"
    assert name_of(*reversed(parts)) == "CN=client,OU=lab,O=facts"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ('a,b+c"d\\e<f>g;h=i#j', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\=i\\#j'),
        (" a b ", "\\ a b\\ "),
        ("Müller", "Müller"),
    ],
)
def test_what_separates_is_escaped(value: str, written: str) -> None:
    assert name_of((NameOID.COMMON_NAME, value)) == f"CN={written}"


def test_a_type_without_a_word_is_a_number_and_its_value_hexadecimal() -> None:
    assert name_of((NameOID.EMAIL_ADDRESS, "a@b")) == "1.2.840.113549.1.9.1=#1603614062"
    assert name_of((NameOID.SERIAL_NUMBER, "7")) == "2.5.4.5=#130137"
    parts = [
        (NameOID.DOMAIN_COMPONENT, "org"),
        (NameOID.USER_ID, "u"),
        (NameOID.COUNTRY_NAME, "DE"),
    ]
    assert name_of(*parts) == "C=DE,UID=u,DC=org"


def test_parts_that_belong_together_are_joined() -> None:
    together = x509.RelativeDistinguishedName(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "c"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o", _ASN1Type.PrintableString),
        ]
    )
    assert set(subject_name(certificate(x509.Name([together]))).split("+")) == {"CN=c", "O=o"}


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x05abc", b"\x30\x02\x30\x00", b"garbage" * 9]
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        subject_name(data)
