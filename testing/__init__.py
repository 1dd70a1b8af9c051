"""What tests need around a broker: a proxy (proxy.py), a simulated disk (simulated_disk.py)."""
