"""What the blocking face stands on: a loop in a thread of its own."""
