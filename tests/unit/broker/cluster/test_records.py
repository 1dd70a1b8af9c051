"""The records of the metadata log: their bytes, which every directory there is depends on."""

from __future__ import annotations

import pytest
from minibroker.broker.cluster.acls import Acl
from minibroker.broker.cluster.records import (
    AclRecord,
    AclRemovedRecord,
    BrokerConfigRecord,
    ClientQuotaRecord,
    DeletionRecord,
    DeletionsDoneRecord,
    FormatRecord,
    LogStartsRecord,
    MetadataError,
    MetadataRecord,
    PartitionsRecord,
    ProducerIdsRecord,
    RemovedRecord,
    ScramCredentialDeletedRecord,
    ScramCredentialRecord,
    SnapshotRecord,
    StartedRecord,
    TopicConfigRecord,
    TopicDeletedRecord,
    TopicRecord,
    decode,
    encode,
)
from minibroker.protocol.sasl.scram_credentials import ScramCredential

ID = bytes(range(16))
HEX = b"000102030405060708090a0b0c0d0e0f"
OVERRIDES = {"retention.ms": "5", "cleanup.policy": "délete"}
RULE = (
    b'"resource_type":2,"name":"orders","pattern_type":3,"principal":"User:bob","host":"*",'
    b'"operation":3,"permission":3}'
)
STORED: list[tuple[MetadataRecord, bytes]] = [
    (FormatRecord(2, "c"), b'{"type":"format","version":2,"cluster_id":"c"}'),
    (StartedRecord(7), b'{"type":"start","count":7}'),
    (SnapshotRecord(), b'{"type":"snapshot"}'),
    (ProducerIdsRecord(5000), b'{"type":"producer-ids","next":5000}'),
    (
        TopicRecord("t", ID, 3, {}, {}, {}),
        b'{"type":"topic","name":"t","id":"%b","partitions":3,"configs":{}}' % HEX,
    ),
    (
        TopicRecord("t", ID, 3, OVERRIDES, {2: 9, 0: 1}, {2: 8}),
        b'{"type":"topic","name":"t","id":"%b","partitions":3,"configs":'
        b'{"retention.ms":"5","cleanup.policy":"d\\u00e9lete"},'
        b'"starts":{"2":9,"0":1},"removed":{"2":8}}' % HEX,
    ),
    (TopicDeletedRecord(ID), b'{"type":"topic-deleted","id":"%b"}' % HEX),
    (
        DeletionRecord(ID, "t", 3),
        b'{"type":"deletion","id":"%b","name":"t","partitions":3}' % HEX,
    ),
    (DeletionsDoneRecord((ID, ID)), b'{"type":"deletions-done","ids":["%b","%b"]}' % (HEX, HEX)),
    (PartitionsRecord(ID, 4), b'{"type":"partitions","id":"%b","count":4}' % HEX),
    (LogStartsRecord(ID, {1: 5}), b'{"type":"log-starts","id":"%b","starts":{"1":5}}' % HEX),
    (RemovedRecord(ID, {1: 5}), b'{"type":"removed","id":"%b","removed":{"1":5}}' % HEX),
    (
        TopicConfigRecord(ID, {"a": "1"}),
        b'{"type":"topic-config","id":"%b","configs":{"a":"1"}}' % HEX,
    ),
    (
        ScramCredentialRecord(
            "carol", "SCRAM-SHA-256", ScramCredential(b"salt", 4096, b"\x01\x02", b"\x03")
        ),
        (
            b'{"type":"scram-credential","user":"carol","mechanism":"SCRAM-SHA-256",'
            b'"salt":"73616c74","iterations":4096,"stored_key":"0102","server_key":"03"}'
        ),
    ),
    (
        ScramCredentialDeletedRecord("carol", "SCRAM-SHA-256"),
        b'{"type":"scram-credential-deleted","user":"carol","mechanism":"SCRAM-SHA-256"}',
    ),
    (AclRecord(Acl(2, "orders", 3, "User:bob", "*", 3, 3)), b'{"type":"acl",' + RULE),
    (
        AclRemovedRecord(Acl(2, "orders", 3, "User:bob", "*", 3, 3)),
        b'{"type":"acl-removed",' + RULE,
    ),
    (
        ClientQuotaRecord((("client-id", None), ("user", "bob")), {"producer_byte_rate": 10.0}),
        (
            b'{"type":"client-quota","entity":[["client-id",null],["user","bob"]],'
            b'"values":{"producer_byte_rate":10.0}}'
        ),
    ),
    (
        BrokerConfigRecord("", {"a": "1"}),
        b'{"type":"broker-config","broker":"","configs":{"a":"1"}}',
    ),
]


@pytest.mark.parametrize(("record", "stored"), STORED)
def test_a_record_has_the_bytes_it_always_had(record: MetadataRecord, stored: bytes) -> None:
    assert encode(record) == stored
    assert decode(stored) == record


def test_each_type_stands_here() -> None:
    assert {type(record) for record, _ in STORED} == set(MetadataRecord.__args__)


def test_what_a_newer_version_wrote_is_refused_with_what_to_do() -> None:
    with pytest.raises(MetadataError, match=r"unknown type 'quota-of-tomorrow': .* start that one"):
        decode(b'{"type":"quota-of-tomorrow","id":7}')
