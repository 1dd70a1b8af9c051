"""Partitions: check, append, record; what producers and readers are told; what is removed."""
