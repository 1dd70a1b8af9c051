"""Steps: several sends that share a mark."""
