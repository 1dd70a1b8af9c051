"""Which APIs are served: all that are declared, each by the file here that bears its name.

ApiVersions answers from SERVED, so that nothing is advertised which has no handler.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...protocol.apis import APIS, Api

SERVED: Mapping[int, Api] = APIS
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
