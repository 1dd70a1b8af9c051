"""What clients did and were told, held against what is stored: judges that know nothing else.

Read history.py (records), then transaction_history.py and transaction_judge.py.
"""
