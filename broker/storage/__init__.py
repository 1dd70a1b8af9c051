"""The storage port and who implements it; nothing here knows what a log is."""
