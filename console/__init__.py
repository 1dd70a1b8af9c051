"""The console: pages in a browser about any Kafka, and more about a minibroker.

It asks brokers by the client of this project alone. `minibroker console` runs it (running.py); what
a request passes is guard/, what is asked of brokers reading/, what becomes of bytes and numbers
showing/, and pages/ has a page a file. lesson/ is an idempotent producer to touch.
"""
