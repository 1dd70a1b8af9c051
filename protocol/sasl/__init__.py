"""What is said within SASL: one file a mechanism, both halves of it in that file. Pure."""
