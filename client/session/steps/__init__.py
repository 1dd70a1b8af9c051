"""Marks, and the steps that share one."""
