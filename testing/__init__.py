"""What tests need around a broker; nothing is imported before it is used.

TestBroker    a broker in the test's event loop        ChildBroker   one in a child process
Stored        a record as the log holds it             Proxy         faults before any Kafka
findings      judges what a producer was told (Sent: Acknowledged, Failed) against what is stored
              (Kept); each Finding names the promise that was Broken
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .child_broker import ChildBroker
    from .history import Acknowledged, Broken, Failed, Finding, Kept, Sent, findings
    from .in_process import TestBroker
    from .proxy import Proxy
    from .stored import Stored

__all__ = [
    "Acknowledged",
    "Broken",
    "ChildBroker",
    "Failed",
    "Finding",
    "Kept",
    "Proxy",
    "Sent",
    "Stored",
    "TestBroker",
    "findings",
]

_HOMES = {
    "Acknowledged": ".history",
    "Broken": ".history",
    "ChildBroker": ".child_broker",
    "Failed": ".history",
    "Finding": ".history",
    "Kept": ".history",
    "Proxy": ".proxy",
    "Sent": ".history",
    "Stored": ".stored",
    "TestBroker": ".in_process",
    "findings": ".history",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
