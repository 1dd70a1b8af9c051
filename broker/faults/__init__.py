"""Faults that a broker acts out on demand: rules, where they apply, what came of them."""
