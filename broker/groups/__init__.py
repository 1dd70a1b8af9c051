"""Consumer groups: who is in a group, who leads it, who was given what, what was committed.

Pure: requests and time go in, answers and records come out; nothing here does I/O or reads a clock.
Read states.py (what each state answers), then members.py (one group), rebalances.py (from one
generation to the next), coordinator.py (what members ask), committed.py (offsets), transactional.py
and pending.py (offsets in transactions), roster.py (which groups there are), records.py (what is
durable), offsets.py (what it adds up to).
Source: Kafka's GroupMetadataManager, OffsetMetadataManager and ClassicGroup; KIP-62, KIP-345.
"""
