"""What tests need around a broker; nothing is imported before it is used.

TestBroker    a broker in the test's event loop        ChildBroker   one in a child process
Stored        a record as the log holds it             Proxy         faults before any Kafka
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .child_broker import ChildBroker
    from .in_process import TestBroker
    from .proxy import Proxy
    from .stored import Stored

__all__ = ["ChildBroker", "Proxy", "Stored", "TestBroker"]

_HOMES = {
    "ChildBroker": ".child_broker",
    "Proxy": ".proxy",
    "Stored": ".stored",
    "TestBroker": ".in_process",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
