"""Which APIs are served: each by the file here that bears its name.

That is every API there are messages for. ApiVersions answers from SERVED, and a test looks that
each has its handler.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.apis import APIS, Api

SERVED: Mapping[int, Api] = APIS
# Long work of these is dropped when the client has gone; all others change something.
READS = frozenset(
    {
        "DescribeBroker",
        "DescribeConfigs",
        "DescribeGroups",
        "DescribeLogDirs",
        "DescribeProducerWindows",
        "DescribeProducers",
        "DescribeTransactions",
        "ExplainProduce",
        "Fetch",
        "ListGroups",
        "ListOffsets",
        "ListTransactions",
        "OffsetFetch",
        "OffsetForLeaderEpoch",
    }
)


def handler_file(api: Api) -> str:
    """Where the handler of an API that is served lives, from the root of the repository."""
    return f"broker/apis/{api.module_name}.py"
