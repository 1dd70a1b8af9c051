"""Record batches (RecordBatch v2): header, reading, checking, writing."""
