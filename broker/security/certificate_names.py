"""The name a certificate gives its owner, as Java writes it: RFC 2253, the last part first.

    CN=client,OU=lab,O=facts      of a certificate whose subject says O, then OU, then CN

Kafka's principal of a client certificate is this text, so ACLs and mapping rules depend on each of
its characters. A type that RFC 2253 has no word for (an e-mail address among them) stands as its
number, and its value as the hexadecimal digits of its encoding.
Source: X500Principal.getName, AVA.toRFC2253String of the JDK; RFC 2253; X.690 for the encoding.
Tests: tests/unit/broker/security/test_certificate_names.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_KEYWORDS = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
# UTF8String, PrintableString, T61String, IA5String, GeneralString, UniversalString, BMPString
_TEXTS = (0x0C, 0x13, 0x14, 0x16, 0x1B, 0x1C, 0x1E)
_ESCAPED = ',=+<>#;"\\'
_VERSION_TAG = 0xA0


class _Element(NamedTuple):
    """One element of DER.

    Attributes:
        whole: its bytes with tag and length; `content` without.
    """

    tag: int
    content: bytes
    whole: bytes


def subject_name(certificate: bytes) -> str:
    """The subject of a certificate in DER.

    Raises:
        ValueError: that is no certificate.
    """
    try:
        body = _elements(next(_elements(certificate)).content)
        fields = [each for each in _elements(next(body).content) if each.tag != _VERSION_TAG]
        subject = fields[4]  # behind serial number, algorithm, issuer, validity
        parts = [_part(each.content) for each in _elements(subject.content)]
    except (IndexError, StopIteration) as error:
        raise ValueError("that is no certificate") from error
    return ",".join(reversed(parts))


def _part(content: bytes) -> str:
    """One part of a name: mostly one type and value, else several joined by '+'."""
    values = []
    for pair in _elements(content):
        kind, value = _elements(pair.content)
        values.append(_pair(_number(kind.content), value))
    return "+".join(values)


def _pair(number: str, value: _Element) -> str:
    keyword = _KEYWORDS.get(number)
    if keyword is None or value.tag not in _TEXTS:
        return f"{keyword or number}=#{value.whole.hex()}"
    return f"{keyword}={_escaped(value.content.decode('utf-8', 'replace'))}"


def _escaped(text: str) -> str:
    escaped = "".join(f"\\{each}" if each in _ESCAPED else each for each in text)
    escaped = escaped.replace("\0", "\\00")
    lead = len(escaped) - len(escaped.lstrip(" \r"))
    trail = len(escaped.rstrip(" \r"))
    return "".join(
        f"\\{each}" if at < lead or at >= trail else each for at, each in enumerate(escaped)
    )


def _number(content: bytes) -> str:
    """The dotted number of a type."""
    numbers, value = [], 0
    for each in content:
        value = value << 7 | each & 0x7F
        if not each & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _elements(data: bytes) -> Iterator[_Element]:
    """The elements that follow each other in `data`. Raises ValueError for one that is cut."""
    position = 0
    while position < len(data):
        start = position
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[position : position + count], "big")
            position += count
        end = position + length
        if end > len(data):
            raise ValueError("that is no certificate: it is cut off")
        yield _Element(tag, data[position:end], data[start:end])
        position = end
