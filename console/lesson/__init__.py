"""The lesson: an idempotent producer to touch. Read moves.py first, then sandbox.py, drawing.py."""
