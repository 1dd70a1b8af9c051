"""The messages of one API a file, declared for all versions; apis.py is the table of them."""
