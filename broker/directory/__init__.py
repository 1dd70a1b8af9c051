"""The data directory at a start: whose it is, how it was left, what may be done with it."""
