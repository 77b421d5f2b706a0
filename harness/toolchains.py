"""Toolchains: named sets of pinned packages, each in a virtual environment of its own (see ``provisioning``).

::

    conf/toolchain/<name>.yaml              what it is to hold
    <root>/toolchains/<name>-<digest>/      its environment
    <root>/locks/toolchain-<name>.lock      held by the process that makes it

``<root>`` is the cache folder. ``default`` is the environment that harness itself runs in; it is never made.
The digest is of the pins and the machine, so that a changed set is another environment.
"""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness import codec, provisioning
from harness.cache import default_root
from harness.errors import Unsupported, UserError, did_you_mean
from harness.locks import Lock, named
from harness.paths import conf_dir
from harness.records import Toolchain

DEFAULT = "default"


def names() -> list[str]:
    """Return the names of all toolchains, sorted."""
    return sorted(path.stem for path in (conf_dir() / "toolchain").glob("*.yaml"))


@functools.cache
def get(name: str) -> Toolchain:
    """Return what a toolchain is to hold. Raises ``UserError`` for an unknown name or a set with a hole in it."""
    import yaml

    if name not in names():
        raise UserError(f"toolchain: '{name}' does not exist; {did_you_mean(name, names())}")
    file = conf_dir() / "toolchain" / f"{name}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    lists = {key: tuple(map(str, content.get(key) or ())) for key in ("wants", "imports", "packages")}
    loose = [line for line in lists["packages"] if not provisioning.PIN.fullmatch(line)]
    if loose:
        raise UserError(f"conf/toolchain/{file.name}: packages: '{loose[0]}' is no pin; allowed: name==version")
    return Toolchain(name, content.get("python"), **lists)


def folder(name: str, *, root: Path | None = None) -> Path:
    """Return where the environment of a toolchain is, or would be. Raises ``UserError`` for an unknown name."""
    wanted = get(name)
    content = codec.digest([wanted.python, wanted.packages, sys.platform, platform.machine()])
    return (root or default_root()).absolute() / "toolchains" / f"{name}-{content[:12]}"


def python(name: str, *, root: Path | None = None) -> Path:
    """Return the interpreter of a toolchain's environment; ``root`` is the cache folder.

    Raises:
        Unsupported: the environment is not there; says the command that makes it.
        UserError: there is no such toolchain.
    """
    if name == DEFAULT:
        return Path(sys.executable)
    found = folder(name, root=root)
    if not provisioning.is_made(found):
        text = f"toolchain {name} is not installed here; `harness toolchain sync {name}` makes it"
        raise Unsupported(text, "toolchain_missing")
    return provisioning.interpreter(found)


def versions(name: str, *, root: Path | None = None) -> dict[str, str]:
    """Return package → version of all that is installed in a toolchain. Raises as ``python`` does."""
    if name == DEFAULT:
        return provisioning.by_name(importlib.metadata.distributions())
    python(name, root=root)
    return provisioning.installed(folder(name, root=root))


def lacking(name: str, packages: Iterable[str], instead: Mapping[str, str] | None = None) -> list[str]:
    """Return those packages that a toolchain's set holds neither themselves nor what is taken ``instead``.

    Of the default nothing: what is missing there is told by whoever needs it.
    """
    if name == DEFAULT:
        return []
    pinned, other = provisioning.pins(get(name)), instead or {}
    return [one for one in packages if one not in pinned and other.get(one) not in pinned]


def sync(name: str, *, root: Path | None = None, say: Callable[[str], None] = lambda _: None) -> Path:
    """Make the environment of a toolchain unless it is there and works; return its interpreter.

    ``say`` hears what is being done, a line each.

    Raises:
        UserError: unknown name; no ``uv``; no network, no room, or a set that does not work here.
    """
    wanted = get(name)
    if name == DEFAULT:
        return Path(sys.executable)
    target = folder(name, root=root)
    lock = _locked(name, target.parents[1], say)
    with lock:
        provisioning.sweep(target)
        if provisioning.fault(target, wanted) is not None:
            say(f"making toolchain {name}: {len(wanted.packages)} packages, for {target}")
            provisioning.make(wanted, target)
    return provisioning.interpreter(target)


def _locked(name: str, root: Path, say: Callable[[str], None]) -> Lock:
    """Return the lock of a toolchain, taken."""
    lock = Lock(root / "locks" / f"toolchain-{name}.lock")
    try:
        for one in ("locks", "toolchains"):
            (root / one).mkdir(parents=True, exist_ok=True)
        lock.acquire(lambda pid: say(f"{named(pid)} makes toolchain {name}: waiting for it"))
    except OSError as error:
        raise UserError(f"toolchain {name}: the cache folder {root} cannot be used ({error.strerror})") from error
    return lock
