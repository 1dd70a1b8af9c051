"""What `minibroker demo` shows: clients, scenes, pictures."""
