"""Consume, transform, produce, exactly once: process() and what it hands out (process.py)."""
