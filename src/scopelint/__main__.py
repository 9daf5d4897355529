"""Run the command line as ``python -m scopelint``."""

from __future__ import annotations

from scopelint.cli import run

if __name__ == "__main__":
    run()
