"""Attacks on a broker by rude peers, judged by what a good client beside them feels."""
