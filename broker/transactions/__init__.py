"""Transactions: what one transactional id is in, what may follow, and what is durable of it.

Pure: requests and time go in, answers and records come out; nothing here does I/O or reads a clock.
Nothing is served yet: no partition holds an open transaction, and no handler asks.
records.py has the record of `__transaction_state`, byte for byte Kafka's.
Source: Kafka's TransactionCoordinator, TransactionStateManager and TransactionMetadata; KIP-98,
KIP-890.
"""
