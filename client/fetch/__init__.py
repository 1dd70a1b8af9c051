"""What a consumer does to have records: fetch, check, unpack, deserialize."""
