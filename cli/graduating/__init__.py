"""The way from one Kafka to another with the same clients: a mirror, a switch, groups moved.

Pure: mirror_properties.py, plan.py.   EDGE: looking.py, following.py, moving.py, kept.py.
Begin with following.py.
"""
