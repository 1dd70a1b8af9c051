"""What a broker knows of itself as a cluster of one: topics, producer ids, configurations."""
