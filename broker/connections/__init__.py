"""Client connections: bytes in, answers out, whose turn it is, and how they end."""
