"""What is asked of brokers, by our client, within bounds, and kept for a moment."""
