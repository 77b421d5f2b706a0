"""The command toolchain: it lists the sets of packages, and makes their environments."""

from __future__ import annotations

import sys
from pathlib import Path

from harness import toolchains
from harness.cli import parser
from harness.errors import Unsupported, UserError, did_you_mean


def toolchain_command(args: list[str]) -> int:
    """List the toolchains, or make the environment of one."""
    words = parser("toolchain")
    words.add_argument("action", nargs="?", choices=["list", "sync"], default="list")
    words.add_argument("name", nargs="?", help="sync: which one")
    words.add_argument("--dir", type=Path, help="folder of the cache")
    given = words.parse_args(args)
    if given.action == "list":
        _list(given.dir)
        return 0
    if given.name is None:
        raise UserError(f"toolchain sync: say which one; {did_you_mean('', toolchains.names())}")
    python = toolchains.sync(given.name, root=given.dir, say=lambda line: print(line, file=sys.stderr, flush=True))
    print(python)
    return 0


def _list(root: Path | None) -> None:
    """Print a line each: name, whether it is there, what it was compiled from."""
    names = toolchains.names()
    width = max(map(len, names))
    for name in names:
        wanted = toolchains.get(name)
        what = " ".join(wanted.wants) or "the environment that harness runs in"
        print(f"{name:<{width}}  {_state(name, root):<9}  {what}")


def _state(name: str, root: Path | None) -> str:
    try:
        toolchains.python(name, root=root)
    except Unsupported:
        return "not here"
    return "installed"
