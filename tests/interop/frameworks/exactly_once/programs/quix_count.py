"""EDGE: Quix Streams, exactly once: how often each word has come so far; as stage.py says."""

from __future__ import annotations

import sys

from quixstreams import Application, State


def main(servers: str, source: str, target: str, name: str, folder: str) -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=servers,
        consumer_group=name,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.2,
        state_dir=folder,
        # each start takes an id of its own, so that nobody ends what the one before has left open
        producer_extra_config={"transaction.timeout.ms": 10_000},
        consumer_extra_config={"session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_000},
    )

    def count(word: str, state: State) -> str:
        counted = state.get("count", 0) + 1
        state.set("count", counted)
        return str(counted)

    words = app.dataframe(app.topic(source, value_deserializer="str"))
    words.apply(count, stateful=True).to_topic(app.topic(target, value_serializer="str"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:6])
