"""The package `pytest_minibroker`, by which pytest finds the plugin (pytest_plugin.py).

pytest guesses from a distribution's files which modules to rewrite assertions in. In one that has
nothing but a namespace package it would guess `__main__` for minibroker/__main__.py, and warn in
every run that this is too late; a package of the distribution's own ends the guessing.
"""

pytest_plugins = ("minibroker.testing.pytest_plugin",)
