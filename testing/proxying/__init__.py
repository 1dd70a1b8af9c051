"""What the fault proxy knows of requests and answers; pure. The proxy itself: testing/proxy.py."""
