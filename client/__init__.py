"""The client side of the wire. Works against any Kafka; knows nothing of our broker."""
