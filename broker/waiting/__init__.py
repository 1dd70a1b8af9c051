"""Answers that come later, and the one loop that all share: promises, flushes, long work."""
