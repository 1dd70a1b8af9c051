"""Transactions: what a transactional id is in, what may follow, and what is durable of it.

Pure but for transactions.py, completion.py and ledger.py, which carry decisions out: requests and
time go in, decisions come out. Handlers (apis/) ask transactions.py.
Read states.py (what each state answers), transaction.py (one id, and its transitions), outcomes.py
(what a request comes to), endings.py (in which order a transaction ends, and why), coordinator.py,
initialising.py and ending_requests.py (the requests), claims.py (a start), fold.py and records.py
(what is durable).
Source: Kafka's TransactionCoordinator, TransactionStateManager and TransactionMetadata; KIP-98,
KIP-360, KIP-890.
"""
