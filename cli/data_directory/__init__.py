"""What `minibroker log` does with a data directory."""
