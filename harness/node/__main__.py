"""``python -m harness.node``: install TensorFlow.js into the cache now, for runs without a network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import StageError
from harness.node import packages


def main(arguments: list[str] | None = None) -> int:
    """Install what is pinned and print its folder; 2 where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m harness.node", description=packages.__doc__)
    parser.add_argument("--dir", type=Path, help="folder of the cache")
    given = parser.parse_args(arguments)
    try:
        print(packages.ensure(given.dir, say=lambda line: print(line, file=sys.stderr, flush=True)))
    except (StageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
