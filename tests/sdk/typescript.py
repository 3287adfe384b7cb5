"""Starts a server and runs the TypeScript SDK's smoke against it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import harness


def main() -> None:
    with harness.Server() as server:
        smoke = Path(__file__).with_name("smoke.mjs")
        done = subprocess.run(["node", str(smoke), server.url, server.key], timeout=300)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
