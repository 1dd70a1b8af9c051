"""Who is at the other end, and what he may do. Read next: door.py, rights/access.py."""
