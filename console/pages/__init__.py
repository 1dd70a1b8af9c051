"""A page a file: what is asked for it, and what is told to its template."""
