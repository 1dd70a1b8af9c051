"""WriteTxnMarkers, as a client may send it where nobody forbids it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minibroker.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

from tests.support.transactions.producer import Producer, Where

if TYPE_CHECKING:
    from tests.support.transactions.stage import Stage


class Markers:
    """Who writes markers behind the coordinator's back."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def write(
        self,
        producer: Producer | int,
        *parts: Where,
        is_commit: bool = True,
        epoch: int = 0,
        coordinator_epoch: int = 0,
        transaction_version: int = 0,
        v: int = 1,
    ) -> str:
        """One marker to these partitions: the code of each."""
        places = [self._stage.part(each) for each in parts]
        pid = producer if isinstance(producer, int) else producer.id("p")
        marker = WritableTxnMarker(
            producer_id=pid,
            producer_epoch=epoch,
            transaction_result=is_commit,
            coordinator_epoch=coordinator_epoch,
            transaction_version=transaction_version,
            topics=[
                WritableTxnMarkerTopic(
                    name=topic, partition_indexes=[i for name, i in places if name == topic]
                )
                for topic in dict.fromkeys(name for name, _ in places)
            ],
        )
        answer = await self._stage.ask(WriteTxnMarkersRequest(markers=[marker]), v)
        (told,) = answer.markers
        assert told.producer_id == pid
        codes = {
            (topic.name, each.partition_index): each.error_code
            for topic in told.topics
            for each in topic.partitions
        }
        return " ".join(str(codes[place]) for place in places)
