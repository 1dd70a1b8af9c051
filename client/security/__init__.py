"""TLS and SASL as a client speaks them; imported only by clients that have one of them."""
