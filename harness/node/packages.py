"""What ``tfjs/package-lock.json`` pins, installed by npm on first use: beside its place, tried out, then renamed.

::

    <root>/node/tfjs-<digest>/node_modules   digest: of the lock and the script
    <root>/node/tfjs-<digest>/made.json      checksums of what the trial loaded; written last
    <root>/locks/node-tfjs.lock              held by the process that installs

npm compares every package with the checksum in the lock. No script of a package is run.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness import cache, files
from harness.errors import HarnessError, StageFailed, Unsupported
from harness.locks import Lock, named
from harness.node.process import MISSING, Node, script

SCRIPT = script("graph_model.js")
_MADE = "made.json"
_LISTS = ("package.json", "package-lock.json")
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error",
            "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000")  # fmt: skip
_TIMEOUT_S = 280.0
"""Less than a stage may take by default, so that what npm said is told."""
_SHOWN = 300
"""Characters of what npm said."""


@functools.cache
def digest() -> str:
    """Return the hash of the pins and the script."""
    found = hashlib.sha256()
    for file in (*(script(name) for name in _LISTS), SCRIPT):
        found.update(file.read_bytes())
    return found.hexdigest()


def node() -> str:
    """Return the path of Node. Raises ``Unsupported``: ``node_missing``."""
    found = shutil.which("node") or shutil.which("nodejs")
    if found is None:
        raise Unsupported(MISSING, "node_missing")
    return found


def command(folder: Path) -> list[str]:
    """Return what starts the script with the packages in ``folder``."""
    return [node(), str(SCRIPT), str(folder), "{answers}"]


def ensure(root: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder with ``node_modules``, installed and tried out now where it was not or is damaged.

    ``root`` is the cache folder, in a worker that of its run. ``say`` hears what is being done, a line each.

    Raises:
        Unsupported: ``node_missing``; ``packages_missing``: npm or the network is; says what helps.
        OSError: the cache folder cannot be used.
    """
    node()
    root = (root or Path(os.environ.get(cache.ROOT_VARIABLE) or cache.default_root())).absolute()
    target = root / "node" / f"tfjs-{digest()[:12]}"
    if is_whole(target):
        return target
    for name in ("locks", "node"):
        (root / name).mkdir(parents=True, exist_ok=True)
    lock = Lock(root / "locks" / "node-tfjs.lock")
    lock.acquire(lambda pid: say(f"{named(pid)} installs TensorFlow.js: waiting for it"))
    with lock:
        if not is_whole(target):
            say(f"installing TensorFlow.js into {target}")
            _make(target)
    return target


def is_whole(folder: Path) -> bool:
    """True when everything that the trial loaded is still as it was."""
    try:
        made: dict[str, str] = json.loads((folder / _MADE).read_bytes())
        return bool(made) and all(files.sha256(folder / name) == known for name, known in made.items())
    except (OSError, ValueError, AttributeError):
        return False


def _make(target: Path) -> None:
    """Install, try, rename; under the lock. What died while it did this is removed first."""
    for left in target.parent.glob("tfjs-*.*"):
        files.remove_tree(left)
    building = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    building.mkdir()
    try:
        for name in _LISTS:
            shutil.copyfile(script(name), building / name)
        _install(building)
        loaded = _tried(building)
        sums = {str(path.relative_to(building)): files.sha256(path) for path in loaded}
        files.write_atomic(building / _MADE, json.dumps(sums, indent=1).encode())
        files.remove_tree(target)
        files.move(building, target)
    finally:
        files.remove_tree(building)


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _absent("npm, which fetches it once, is not here either: apt-get install npm")
    try:
        done = subprocess.run(
            [npm, *_INSTALL], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _absent(f"npm: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).decode("utf-8", "replace").split())
        raise _absent(f"npm: {said[:_SHOWN] or f'exit code {done.returncode}'}")


def _tried(folder: Path) -> Iterable[Path]:
    """Start the script with what was installed; return the files that it loaded, and the backend's own."""
    try:
        process = Node(command(folder))
        answer: dict[str, Any] = process.ask("start", simd=True)[0]
        process.close()
    except (HarnessError, RuntimeError) as error:
        raise StageFailed(f"TensorFlow.js was installed and does not start: {error}", "node_packages") from error
    modules = (folder / "node_modules").resolve()
    scripts = [Path(name) for name in answer["loaded"] if Path(name).is_relative_to(modules)]
    found = sorted({*scripts, *modules.glob("@tensorflow/*/**/*.wasm")})
    return [folder / "node_modules" / path.relative_to(modules) for path in found]


def _absent(why: str) -> Unsupported:
    text = f"TensorFlow.js is not installed here ({why}); with a network `python -m harness.node` does it"
    return Unsupported(text, "packages_missing")
