"""What several commands ask a broker, and how it is found."""
