"""Run the command line as ``python -m scopelint``."""

from __future__ import annotations

import sys

from scopelint.cli import main

if __name__ == "__main__":
    sys.exit(main())
