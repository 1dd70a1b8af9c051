"""The server: pure cores (partition, sequence table, logs, metadata) in a thin asyncio coat."""
