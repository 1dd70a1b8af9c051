"""DescribeCluster (key 60), v0-v2. Source: DescribeClusterRequest.json, ...Response.json; KIP-700.

v0 flexible · v1 endpoint_type (KIP-919) · v2 fenced brokers (KIP-1073): there are none
Ours: one broker, at the listener that was asked; asked for controllers it answers 114, since no
    controller can be reached by clients here.
    There is no authorizer, so everything is authorized, as in Kafka without one.
"""

from __future__ import annotations

from ...protocol.connection import Request
from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ..broker import Broker
from ..security.rights.access import Gate, Revealing, Rule
from ..session import Session
from .metadata import CLUSTER_OPERATIONS, NOT_ASKED, cluster_operations

BROKERS, CONTROLLERS = 1, 2


class Rights(Rule):
    """None: every client has to know where the brokers are."""

    def reveal(
        self, gate: Gate, message: DescribeClusterRequest, response: DescribeClusterResponse
    ) -> Revealing:
        """What may be done with the cluster."""
        yield from ()
        if message.include_cluster_authorized_operations and not response.error_code:
            response.cluster_authorized_operations = cluster_operations(gate)
        return response


ACCESS = (Rights(),)


def handle(broker: Broker, request: Request, session: Session) -> DescribeClusterResponse:
    """Describe the one node."""
    message: DescribeClusterRequest = request.message
    if message.endpoint_type == CONTROLLERS:
        why = "this is a broker; it cannot list controllers"
        return refusal(message, ErrorCode.MISMATCHED_ENDPOINT_TYPE, why)
    if message.endpoint_type != BROKERS:
        why = f"endpoint type {message.endpoint_type} is unknown"
        return refusal(message, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE, why)
    node_id = broker.config.node_id
    return DescribeClusterResponse(
        error_code=0,
        endpoint_type=BROKERS,
        cluster_id=broker.state.cluster_id,
        controller_id=node_id,
        brokers=[
            DescribeClusterBroker(
                broker_id=node_id,
                host=session.host,
                port=session.port,
                rack=broker.config.broker_rack,
            )
        ],
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if message.include_cluster_authorized_operations else NOT_ASKED
        ),
    )


def refusal(message: DescribeClusterRequest, code: ErrorCode, why: str) -> DescribeClusterResponse:
    """The response that refuses a request."""
    return DescribeClusterResponse(
        error_code=code,
        error_message=why,
        endpoint_type=BROKERS,
        cluster_id="",
        brokers=[],
    )
