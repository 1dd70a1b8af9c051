"""What callers hand over, examined and taken in the call; and whose call it may be."""
