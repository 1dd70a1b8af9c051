"""Producers as processes of their own, which can be killed. Read process.py first."""
