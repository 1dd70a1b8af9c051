"""The command line: one command a file, imported only when called. Nothing imports this package."""
