"""What becomes of bytes, numbers and names on a page: pure, and escaped by the templates."""
