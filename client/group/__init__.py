"""Members of a group: joining, assignment, commits."""
