"""What a broker and its topics can be told: properties, their sources, and Kafka's names."""
