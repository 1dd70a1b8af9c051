"""What tests need around a broker; nothing is imported before it is used.

TestBroker    a broker in the test's event loop        ChildBroker   one in a child process
Stored        a record as the log holds it             Proxy         faults before any Kafka
RemoteFaults  arms RemoteFault rules in a child        ChildBrokerError  what went wrong with one
BrokerSecurity  TLS and logins of such a broker        Certificates  right ones, and wrong ones
findings      judges what a producer was told (Sent: Acknowledged, Failed) against what is stored
              (Kept); each Finding names the promise that was Broken
transaction_findings  judges a TransactionHistory, which is written down while it happens: each
              TransactionFinding names the Breach; a Fate is how a transaction ends
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .child_broker import ChildBroker
    from .child_wire import ChildBrokerError
    from .histories.history import Acknowledged, Broken, Failed, Finding, Kept, Sent, findings
    from .histories.transaction_history import Fate, TransactionHistory
    from .histories.transaction_judge import Breach, TransactionFinding, transaction_findings
    from .in_process import TestBroker
    from .proxy import Proxy
    from .remote_faults import RemoteFault, RemoteFaults
    from .security.broker_security import BrokerSecurity
    from .security.certificates import Certificates
    from .stored import Stored

HOMES = {
    "Acknowledged": ".histories.history",
    "Breach": ".histories.transaction_judge",
    "Broken": ".histories.history",
    "BrokerSecurity": ".security.broker_security",
    "Certificates": ".security.certificates",
    "ChildBroker": ".child_broker",
    "ChildBrokerError": ".child_wire",
    "Failed": ".histories.history",
    "Fate": ".histories.transaction_history",
    "Finding": ".histories.history",
    "Kept": ".histories.history",
    "Proxy": ".proxy",
    "RemoteFault": ".remote_faults",
    "RemoteFaults": ".remote_faults",
    "Sent": ".histories.history",
    "Stored": ".stored",
    "TestBroker": ".in_process",
    "TransactionFinding": ".histories.transaction_judge",
    "TransactionHistory": ".histories.transaction_history",
    "findings": ".histories.history",
    "transaction_findings": ".histories.transaction_judge",
}

__all__ = [
    "Acknowledged",
    "Breach",
    "Broken",
    "BrokerSecurity",
    "Certificates",
    "ChildBroker",
    "ChildBrokerError",
    "Failed",
    "Fate",
    "Finding",
    "Kept",
    "Proxy",
    "RemoteFault",
    "RemoteFaults",
    "Sent",
    "Stored",
    "TestBroker",
    "TransactionFinding",
    "TransactionHistory",
    "findings",
    "transaction_findings",
]

if not TYPE_CHECKING:  # a __getattr__ that a checker can see would make every name right for it

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(HOMES[name], __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
