"""EDGE: Quix Streams' hello-world: an application in a group that maps one topic to another.

Run as a program: BOOTSTRAP-SERVERS IN-TOPIC OUT-TOPIC GROUP COUNT. It ends after COUNT records.
"""

from __future__ import annotations

import sys

from quixstreams import Application


def main(servers: str, source: str, target: str, group: str, count: int) -> None:
    """Handle `count` records, then stop cleanly."""
    app = Application(broker_address=servers, consumer_group=group, auto_offset_reset="earliest")
    texts = app.dataframe(app.topic(source, value_deserializer="str"))
    texts.apply(str.upper).to_topic(app.topic(target, value_serializer="str"))
    app.run(count=count)


if __name__ == "__main__":
    SERVERS, SOURCE, TARGET, GROUP, COUNT = sys.argv[1:]
    main(SERVERS, SOURCE, TARGET, GROUP, int(COUNT))
