"""EDGE: the attackers' process, on one processor: runs named attacks, or drawn requests.

    python -m tests.hostile.attacker named PORT SIZE NAME...
    python -m tests.hostile.attacker drawn PORT SEED FIRST COUNT SECONDS SIZE_MAX
    python -m tests.hostile.attacker texts PORT SEED COUNT
    python -m tests.hostile.attacker spoilt PORT SEED SECONDS

Prints a line of JSON for everything that was not as it should be, and for each drawn request when
it was sent and when it was answered. Ends with exit code 0, whatever it has seen.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count

from minibroker.protocol.codec.compiler import encoder
from minibroker.protocol.messages.produce import ProduceRequest

from tests.fuzz import seeds
from tests.fuzz.flood import input_of
from tests.fuzz.seeds import framed
from tests.hostile import attacks, crowds
from tests.hostile.attacks import Attack
from tests.hostile.drawn import TOPICS, Drawn, Offered, drawn, long_texts
from tests.hostile.handshakes import half_open
from tests.hostile.peer import (
    API_VERSIONS,
    Neglected,
    Peer,
    array,
    batch,
    create_topics,
    frame,
    new_topic,
)

CONNECTIONS = 4
PRODUCE_VERSION = 9
TEXTS_S = 30.0
SPOILT_S = 0.02  # for an answer to what may have none
FENCE = frame(API_VERSIONS, 0, b"", correlation=0x7EEEEEEE)

ATTACKS: dict[str, Attack] = {
    each.__name__: each
    for each in (
        attacks.long_names,
        attacks.long_client_id,
        crowds.stuck_readers,
        crowds.announced,
        crowds.metadata_flood,
        crowds.configs_flood,
        crowds.unanswered_flood,
        crowds.flood_of_many,
        crowds.many_connections,
        attacks.many_protocols,
        attacks.time_lookups,
        attacks.repeated_fetch,
        crowds.parked_hangups,
        attacks.many_topics,
        attacks.many_new_partitions,
        attacks.unknown_topics,
        attacks.many_producers,
        attacks.repeated_metadata,
        attacks.repeated_names,
        attacks.many_partitions,
        attacks.fat_member,
        crowds.parked_bytes,
        attacks.long_client_ids,
    )
}


def main() -> None:
    """See the file's docstring."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    match sys.argv[1:]:
        case ["named", port, size, *names]:
            for name in names:
                _tell_neglect(partial(ATTACKS[name], int(port), float(size)))
        case ["handshakes", _, tls_port, size]:
            _tell_neglect(partial(half_open, int(tls_port), float(size)))
        case ["drawn", port, seed, first, several, seconds, size_max]:
            source = partial(drawn, int(seed), size_max=int(size_max))
            Drawing(int(port), source).run(int(first), int(several), float(seconds))
        case ["texts", port, seed, several]:
            source = partial(long_texts, int(seed))
            Drawing(int(port), source).run(0, int(several), TEXTS_S)
        case ["spoilt", port, seed, seconds]:
            _tell_neglect(partial(send_spoilt, int(port), int(seed), float(seconds)))
        case _:
            sys.exit("usage: see the file's docstring")


def _tell_neglect(work: Callable[[], None]) -> None:
    try:
        work()
    except Neglected as error:
        tell(neglected=str(error))
    except OSError as error:  # it may hang up on whom it likes, not refuse to let anybody in
        tell(neglected=f"{type(error).__name__}: {error}")


def tell(**facts: object) -> None:
    """One line for the judge."""
    os.write(1, json.dumps(facts).encode() + b"\n")  # one write: several threads tell


class Drawing:
    """Drawn requests, from several connections at once, one after the other on each."""

    def __init__(self, port: int, source: Callable[..., Drawn]) -> None:
        self._port, self._source = port, source
        with Peer(port) as asking:
            self._offered = offered_by(asking)
            asking.ask(create_topics(array(*(new_topic(name.encode(), 3) for name in TOPICS))))

    def run(self, first: int, several: int, seconds: float) -> None:
        """`several` requests from the `first` on, for so long at most."""
        numbers = count(first)
        until = time.monotonic() + seconds

        def work() -> None:
            peer = Peer(self._port)
            while (number := next(numbers)) < first + several and time.monotonic() < until:
                peer = self._send(peer, number)
            peer.socket.close()

        threads = [threading.Thread(target=_tell_neglect, args=(work,)) for _ in range(CONNECTIONS)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    def _send(self, peer: Peer, number: int) -> Peer:
        """One request, and a second one that is surely answered: some have no answer."""
        request = self._source(number=number, offered=self._offered)
        began = time.monotonic()
        answer: bytes | None = b""
        try:
            answer = peer.ask(request.frame + FENCE)
            while answer is not None and answer[:4] != FENCE[8:12]:
                answer = peer.answer(request.name)
        except Neglected as error:
            tell(neglected=f"request {number}, {request.name}: {error}")
            answer = None
        told = {"number": number, "name": request.name, "began": began, "ended": time.monotonic()}
        tell(**told, closed=answer is None)
        if answer is not None:
            return peer
        peer.socket.close()
        return Peer(self._port)


def send_spoilt(port: int, seed: int, seconds: float) -> None:
    """Spoilt frames, and Produces cut at every byte: what a proxy reads without being asked."""
    until = time.monotonic() + seconds
    whole = framed(ProduceRequest, PRODUCE_VERSION, _produced())
    cuts = [struct.pack(">i", cut) + whole[:cut] for cut in range(len(whole))]
    for number in count():
        if time.monotonic() > until:
            return
        spoilt = input_of(seed, number) if number >= len(cuts) else cuts[number]
        with Peer(port) as rude:
            rude.socket.settimeout(SPOILT_S)
            rude.send(spoilt)
            with suppress(Neglected):  # half a frame has no answer
                rude.answer()


def _produced() -> bytes:
    """The body of a Produce whose lengths are varints."""
    return b"".join(encoder(ProduceRequest, PRODUCE_VERSION)(seeds.produce(batch(3))))


def offered_by(peer: Peer) -> Offered:
    """What the broker advertises: lowest and highest version by API key."""
    answer = peer.ask(frame(API_VERSIONS, 0, b""))
    if answer is None:
        raise Neglected("ApiVersions was hung up on")
    triples = struct.iter_unpack(">hhh", answer[10:])  # correlation id, error code, count
    return {key: (lowest, highest) for key, lowest, highest in triples}


if __name__ == "__main__":
    main()
