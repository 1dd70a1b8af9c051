"""Two Kafkas side by side: topics, configurations, records, groups' positions; and where they part.

Pure: differences.py (what is found), pieces.py, pairing.py (two logs), described.py (all else).
EDGE: side.py, log_reader.py, comparison.py, state_file.py.   Begin with pairing.py.
"""
