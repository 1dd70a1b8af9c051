"""Compiled code does what the construct tree does, for every message at every version.

Three implementations must agree: the tree, the compiled code, and kio, which is foreign and knows
Kafka's own messages.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from minibroker.protocol.compiler import decoder, encoder

from tests.support.kio_messages import kio_bytes, kio_read, kio_type, to_kio
from tests.support.messages import ALL, KAFKAS, Versioned, values

few = settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("which", ALL, ids=str)
def test_tree_compiled_code_and_kio_agree(which: Versioned) -> None:
    tree = which.tree
    encode = encoder(which.message, which.version)
    decode = decoder(which.message, which.version)
    foreign = kio_type(which) if which in KAFKAS else None

    @few
    @given(message=values(tree))
    def check(message: object) -> None:
        written = b"".join(encode(message))
        assert written == tree.build(message)
        assert decode(written) == (message, len(written))
        assert tree.parse(written) == message
        if foreign is None:
            return
        theirs = to_kio(message, foreign)
        assert written == kio_bytes(theirs)
        assert kio_read(foreign, written) == theirs

    check()
