"""What of a durable session leaves, and when."""
