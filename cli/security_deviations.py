"""Where logins and TLS answer otherwise than Apache Kafka's. A part of deviations.py.

Tests: tests/unit/test_deviations.py
"""

from __future__ import annotations

from .deviation import Deviation

SCRAM = "tests/unit/protocol/sasl/test_scram_server.py"
TOKENS = "tests/unit/broker/security/test_tokens.py"
STRANGERS = "tests/system/security/test_strangers.py"

SECURITY = {
    "scram-unknown-user": Deviation(
        request="SaslAuthenticate: SCRAM, the first message of an unknown user",
        kafka="58 at once",
        ours="a salt and iterations as for any user; 58 at the last message",
        reason="Whoever may connect could find out which users there are.",
        test=f"{SCRAM}::test_a_wrong_password_and_an_unknown_user_look_alike",
    ),
    "login-time": Deviation(
        request="Any: a connection that has not logged in after 30 s, or whose TLS handshake is not"
        " over after 10 s; or one of more than 1,000 such connections",
        kafka="stays for connections.max.idle.ms (10 min)",
        ours="closed; of too many the oldest first",
        reason="Who says nothing must not keep out who does.",
        test=f"{STRANGERS}::test_they_have_a_time",
    ),
    "unsigned-tokens": Deviation(
        request="SaslAuthenticate: OAUTHBEARER, a token that nobody has signed, where no"
        " sasl.server.callback.handler.class is set",
        kafka="0",
        ours="the start refuses, and names the setting that takes such tokens",
        reason="Everybody could log in as anybody, and nothing would show it.",
        test=f"{TOKENS}::test_what_is_missing_is_named",
    ),
    "token-header": Deviation(
        request="SaslAuthenticate: OAUTHBEARER, a scheme other than Bearer; a token without alg",
        kafka="closed at once, no answer",
        ours='58; {"status":"invalid_token"}',
        reason="It is refused like any other that is wrong.",
        test="tests/unit/protocol/sasl/test_oauthbearer.py::test_what_is_no_message_is_refused",
    ),
    "long-before-login": Deviation(
        request="Any: a request of more than 32 KiB that is no SaslAuthenticate, before the end of"
        " a login",
        kafka="an error answer in its own shape, up to sasl.server.max.receive.size",
        ours="closed, no answer",
        reason="To decode it takes time that nobody has paid for who is not known.",
        test="tests/unit/broker/security/test_login.py"
        "::test_a_long_request_before_a_login_is_not_even_decoded",
    ),
    "certificates-reloaded": Deviation(
        request="A keystore or truststore file that changes while the broker runs",
        kafka="is read anew when its configuration is altered",
        ours="is read anew within a second, for the connections that come then",
        reason="Certificates are renewed every few weeks, by programs that know nothing of Kafka.",
        test="tests/system/security/test_tls.py"
        "::test_a_new_certificate_is_taken_without_dropping_anybody",
    ),
    "jks": Deviation(
        request="A keystore or truststore of type JKS",
        kafka="read",
        ours="the start refuses, and says which command converts it",
        reason="It is Java's own form; PKCS12 and PEM are everybody's.",
        test="tests/unit/broker/security/test_stores.py"
        "::test_jks_gets_the_command_that_converts_it",
    ),
    "scram-not-told": Deviation(
        request="DescribeUserScramCredentials of all users, without Describe on the cluster",
        kafka="no answer, ever",
        ours="31",
        reason="Every request is answered.",
        test="tests/system/rights/test_rights_rows.py::test_where_kafka_never_answers",
    ),
    "many-acls": Deviation(
        request="CreateAcls beyond 50,000 rules; AlterClientQuotas beyond 20,000 entities",
        kafka="0",
        ours="44",
        reason="Memory has a bound; one box has fewer users.",
        test="tests/unit/broker/cluster/test_acl_changes.py"
        "::test_rules_are_bounded_and_one_that_is_there_is_none_more",
    ),
    "quota-hosts": Deviation(
        request="AlterClientQuotas, max.connections.per.ip.overrides: a host's name as the address",
        kafka="looked up",
        ours="42; the start refuses",
        reason="To look it up would hold everybody up, and tomorrow it may be another address.",
        test="tests/unit/broker/cluster/test_quota_changes.py::test_these_are_none",
    ),
}
