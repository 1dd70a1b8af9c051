"""`python -m minibroker`: the command line, where the script is not on the path.

Tests: tests/system/commands/test_command_manners.py
"""

from __future__ import annotations

import sys

from minibroker.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
