"""The words on the wire: schemas, codec, framing, record batches, error codes, the sequence ring.

Pure: no I/O, no clock, no asyncio. Imported by both the broker and the client; imports neither.
"""
