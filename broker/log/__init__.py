"""The log is the database: segments, indexes, recovery, and the storage port they stand on."""
