"""Which APIs are served: each by the file here that bears its name.

ApiVersions answers from SERVED, so that nothing is advertised which has no handler. What is
declared and not served stands in NOT_SERVED, with the reason; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.apis import APIS, Api

_TRANSACTIONS = "broker/transactions decides them; no partition holds an open transaction yet"
NOT_SERVED: Mapping[str, str] = {
    "AddPartitionsToTxn": _TRANSACTIONS,
    "AddOffsetsToTxn": _TRANSACTIONS,
    "EndTxn": _TRANSACTIONS,
    "WriteTxnMarkers": _TRANSACTIONS,
    "DescribeTransactions": _TRANSACTIONS,
    "ListTransactions": _TRANSACTIONS,
}
SERVED: Mapping[int, Api] = {key: api for key, api in APIS.items() if api.name not in NOT_SERVED}
# Long work of these is dropped when the client has gone; all others change something.
READS = frozenset(
    {
        "DescribeConfigs",
        "DescribeGroups",
        "DescribeLogDirs",
        "DescribeProducers",
        "ExplainProduce",
        "Fetch",
        "ListGroups",
        "ListOffsets",
        "OffsetFetch",
        "OffsetForLeaderEpoch",
    }
)


def handler_file(api: Api) -> str:
    """Where the handler of an API that is served lives, from the root of the repository."""
    return f"broker/apis/{api.module_name}.py"
