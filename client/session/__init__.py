"""What outlives a producer: a journal of what it sent, and how it is settled after its death."""
