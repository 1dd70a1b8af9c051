"""What tests need around a broker: today the fault proxy (proxy.py)."""
