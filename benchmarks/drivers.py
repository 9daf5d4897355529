"""Run published packages that enter carriers by hand, as published and as fixed.

Each package opens a client of an MCP server in one task. A driver closes it in another task, or
opens it inside a deadline that ends before; both fail with what is entered by hand, and work once
a task of its own holds it. The packages, each with an environment to run in, are fetched into a
cache outside version control; their code is run. The exit code is 1 if a fixed copy fails, or if a
published one does not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus import unpacked
from corpus_data import Package

# How each package makes a client of a server that runs in a process, opens and closes it.
CLIENTS: Mapping[Package, str] = {
    Package("mcp", "1.27.0"): """
from mcp import StdioServerParameters
from mcp.client.session_group import ClientSessionGroup

def client():
    group = ClientSessionGroup()
    return (
        lambda: group.connect_to_server(StdioServerParameters(**SERVER)),
        lambda: group.__aexit__(None, None, None),
    )
""",
    Package("langchain-mcp-adapters", "0.0.11"): """
from langchain_mcp_adapters.client import MultiServerMCPClient

def client():
    many = MultiServerMCPClient({"one": {**SERVER, "transport": "stdio"}})
    return many.__aenter__, lambda: many.__aexit__(None, None, None)
""",
    Package("openai-agents", "0.24.0"): """
from agents.mcp import MCPServerStdio

def client():
    server = MCPServerStdio(SERVER, client_session_timeout_seconds=60)
    return server.connect, server.cleanup
""",
    Package("mcpo", "0.0.20"): """
from mcpo.main import MCPConnectionManager

def client():
    manager = MCPConnectionManager(
        server_type="stdio", **SERVER, env={}, headers=None, connection_timeout=None
    )
    return manager.ensure_initialized, manager.close
""",
    Package("camel-ai", "0.2.45"): """
from camel.toolkits.mcp_toolkit import MCPClient

def client():
    one = MCPClient(SERVER["command"], SERVER["args"])
    return one.connect, one.disconnect
""",
}

# What a package imports without requiring it.
UNDECLARED: Mapping[Package, Sequence[str]] = {
    Package("camel-ai", "0.2.45"): ("numpy", "pandas", "pillow", "pyyaml", "requests-oauthlib"),
}

DRIVER = """
import asyncio, sys
import anyio

async def settled():
    # It is cancelled here if anything of the client still holds this task.
    await asyncio.sleep(0.5)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        raise RuntimeError(f"still runs: {left.pop().get_coro().__qualname__}")

SERVER = {
    "command": sys.executable,
    "args": ["-c", "from mcp.server.fastmcp import FastMCP; FastMCP('one').run()"],
}
"""

SITUATIONS: Mapping[str, str] = {
    "closed by another task": """
async def main():
    connect, disconnect = client()
    await connect()
    await asyncio.create_task(disconnect())
    await settled()
""",
    "opened inside a deadline": """
async def main():
    connect, disconnect = client()
    with anyio.fail_after(60):
        await connect()
    await disconnect()
    await settled()
""",
}
END = """
try:
    asyncio.run(main())
except BaseException as error:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    print("ANSWER", type(error).__name__, *str(error).splitlines()[:1])
else:
    print("ANSWER works")
"""
SECONDS = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / ".corpus")
    parser.add_argument("--package", action="append", help="only these")
    options = parser.parse_args(arguments)
    is_fine = True
    for package, setup in CLIENTS.items():
        if options.package and package.name not in options.package:
            continue
        python = environment(package, options.cache / "drivers" / str(package))
        with tempfile.TemporaryDirectory() as folder:
            published, fixed = copies(package, options.cache, Path(folder))
            for situation, program in SITUATIONS.items():
                text = f"{DRIVER}{setup}{program}{END}"
                before, after = answer(python, published, text), answer(python, fixed, text)
                print(f"    {situation}:\n        published: {before}\n        fixed: {after}")
                is_fine = is_fine and after == "works" and before != "works"
    return int(not is_fine)


def environment(package: Package, folder: Path) -> Path:
    """Return the Python of an environment with what a package needs, made if none has all of it."""
    python, ready = folder / "bin" / "python", folder / "ready"
    undeclared = UNDECLARED.get(package, ())
    if not ready.exists() or ready.read_text().split() != [*undeclared]:
        venv.create(folder, clear=True, with_pip=True)
        needs = [str(package), "mcp<2", *undeclared]
        subprocess.run([python, "-m", "pip", "install", "-q", *needs], check=True)
        ready.write_text(" ".join(undeclared))
    return python


def copies(package: Package, cache: Path, place: Path) -> tuple[Path, Path]:
    """Copy a package twice, fix how the second copy owns what it enters, and say what that was."""
    published, fixed = place / "published", place / "fixed"
    for copy in (published, fixed):
        shutil.copytree(unpacked(package, cache), copy)
    command = [sys.executable, "-m", "scopelint", "fix", "--unsafe-fixes", "--select=SCP1,SCP2"]
    told = subprocess.run(
        [*command, "--fix-only", "--show-fixes", "--no-cache"],
        cwd=fixed,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{package}\n{told.stdout}{told.stderr}", end="", flush=True)
    return published, fixed


def answer(python: Path, copy: Path, program: str) -> str:
    """Run a program on a copy and return what it answers, or that it hangs."""
    try:
        run = subprocess.run(
            [python, "-c", program],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it hangs (no end after {SECONDS} s)"
    answers = [line for line in run.stdout.splitlines() if line.startswith("ANSWER ")]
    told = answers or run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
    return told[-1].removeprefix("ANSWER ")


if __name__ == "__main__":
    sys.exit(main())
