"""(API, version) -> handler: one file in apis/ for each API that is served.

ApiVersions answers from SERVED, so nothing is advertised that has no handler. A handler is a
plain function `handle(broker, request, session)`; it returns the response message, a promise of
it, or None for "no answer". Beside it, `refusal(message, code, why)` makes the response that
refuses the whole request: ApiError and storage failures end up there, and only here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..protocol.connection import Request
from ..protocol.errors import ApiError, ErrorCode
from ..protocol.messages import APIS
from .broker import Broker
from .log.storage import FlushFailed, StorageError
from .log_lines import Event
from .session import CloseConnection, Session

_HANDLERS = {
    "Produce": "produce",
    "Fetch": "fetch",
    "ListOffsets": "list_offsets",
    "Metadata": "metadata",
    "OffsetCommit": "offset_commit",
    "OffsetFetch": "offset_fetch",
    "FindCoordinator": "find_coordinator",
    "JoinGroup": "join_group",
    "Heartbeat": "heartbeat",
    "LeaveGroup": "leave_group",
    "SyncGroup": "sync_group",
    "DescribeGroups": "describe_groups",
    "ListGroups": "list_groups",
    "ApiVersions": "api_versions",
    "CreateTopics": "create_topics",
    "DeleteTopics": "delete_topics",
    "DeleteRecords": "delete_records",
    "InitProducerId": "init_producer_id",
    "OffsetForLeaderEpoch": "offset_for_leader_epoch",
    "DescribeConfigs": "describe_configs",
    "AlterConfigs": "alter_configs",
    "DescribeLogDirs": "describe_log_dirs",
    "CreatePartitions": "create_partitions",
    "DeleteGroups": "delete_groups",
    "IncrementalAlterConfigs": "incremental_alter_configs",
    "OffsetDelete": "offset_delete",
    "DescribeCluster": "describe_cluster",
    "ExplainProduce": "explain_produce",
    "DescribeProducers": "describe_producers",
}
SERVED = {key: api for key, api in APIS.items() if api.name in _HANDLERS}

Handler = Callable[[Broker, Request, Session], Any]
Refusal = Callable[[Any, ErrorCode, str], Any]

log = logging.getLogger("minibroker")


class Dispatch:
    """Hands requests to their handlers, which are imported when first needed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._handlers: dict[int, tuple[Handler, Refusal]] = {}

    def handle(self, request: Request, session: Session) -> Any:
        """The response message, a Promise of it, or None when there is none to send.

        Raises:
            CloseConnection: the protocol has no way to answer.
            FlushFailed: the broker must stop.
        """
        message = request.message
        key = request.route.api.key
        handler, refusal = self._handlers.get(key) or self._load(key)
        try:
            return handler(self._broker, request, session)
        except ApiError as error:
            return refusal(message, error.code, error.text)
        except FlushFailed:
            raise
        except StorageError as error:
            self._broker.trouble.refused(
                request.route.api.name, str(error), self._broker.clock.monotonic_ms()
            )
            return refusal(message, ErrorCode.KAFKA_STORAGE_ERROR, str(error))
        except (CloseConnection, AssertionError):
            raise
        except Exception:
            log.exception(
                Event(
                    "request-failed",
                    api=request.route.api.name,
                    peer=session.peer,
                    client_id=request.client_id,
                )
            )
            return refusal(message, ErrorCode.UNKNOWN_SERVER_ERROR, "the broker has a bug here")

    def refuse(self, request: Request, code: ErrorCode, why: str) -> Any:
        """The response message that refuses a whole request.

        Raises:
            CloseConnection: the protocol has no way to say so.
        """
        key = request.route.api.key
        _, refusal = self._handlers.get(key) or self._load(key)
        return refusal(request.message, code, why)

    def _load(self, key: int) -> tuple[Handler, Refusal]:
        name = _HANDLERS[SERVED[key].name]
        module = import_module(f".apis.{name}", __package__)
        loaded = self._handlers[key] = (module.handle, module.refusal)
        return loaded
