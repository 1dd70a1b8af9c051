"""What Admin asks, and what it is told."""
