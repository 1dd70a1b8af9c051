"""What `minibroker produce` is made of: where lines come from, and how they are sent.

Read lines.py, then plainly.py or in_transactions.py.
"""
