"""TLS and SASL for tests: certificates, users, ready-made options; imported only when asked for."""
