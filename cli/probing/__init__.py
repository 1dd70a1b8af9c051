"""What `minibroker probe` plays, and how."""
