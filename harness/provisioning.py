"""Making a virtual environment with ``uv``: beside its place, tried out, then renamed into it.

An environment does not mind being moved as long as its programs are run as ``bin/python -m …``. It is there as a
whole or not at all: ``made.json`` in it is written last. Its files are not brought to the disk one by one, which for
2 GB would take longer than the installation: what a power cut tears, the next ``sync`` finds and makes anew.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness import codec, files
from harness.errors import UserError
from harness.records import Toolchain

PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")
_MADE = "made.json"
_IMPORTING = {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
_SHOWN = 400
"""Characters of what uv or Python said."""
_TIMEOUT_S = 3600.0


def interpreter(folder: Path) -> Path:
    """Return the Python of an environment."""
    return folder / "bin" / "python"


def is_made(folder: Path) -> bool:
    """True when an environment was finished and its Python is still on the machine."""
    return (folder / _MADE).is_file() and interpreter(folder).is_file()


def installed(folder: Path) -> dict[str, str]:
    """Return package → version of an environment, without starting its Python."""
    sites = [str(path) for path in folder.glob("lib/python*/site-packages")]
    return by_name(importlib.metadata.distributions(path=sites))


def by_name(found: Iterable[importlib.metadata.Distribution]) -> dict[str, str]:
    """Return package → version, sorted; of what is there twice the first, which is what an import finds."""
    named: dict[str, str] = {}
    for one in found:
        if one.metadata["Name"]:  # a folder that half an uninstallation left has none
            named.setdefault(canonical(one.metadata["Name"]), one.version)
    return dict(sorted(named.items()))


def canonical(package: str) -> str:
    """Return the one spelling of a package's name: ``Tf_Keras`` → ``tf-keras``."""
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(wanted: Toolchain) -> dict[str, str]:
    """Return package → version of a set."""
    found = (PIN.fullmatch(line) for line in wanted.packages)
    return {canonical(one[1]): one[2] for one in found if one}


def fault(folder: Path, wanted: Toolchain) -> str | None:
    """Say why an environment is not what was wanted, or does not import; None when it works."""
    return "it is not there" if not is_made(folder) else _broken(folder, wanted)


def sweep(target: Path) -> None:
    """Remove what died while it made this toolchain; under its lock."""
    for left in target.parent.glob(f"{target.name.rpartition('-')[0]}-*.*"):
        files.remove_tree(left)


def make(wanted: Toolchain, target: Path) -> None:
    """Make the environment and put it into its place, where a broken one may be; under the toolchain's lock.

    Raises:
        UserError: no ``uv``; packages cannot be reached; no room; or the set does not work here.
    """
    uv = _uv(wanted.name)
    building = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    try:
        _call([*uv, "venv", "--quiet", "--relocatable", "--python", _base(wanted), str(building)], wanted)
        lines = building / "requirements.txt"
        files.write_atomic(lines, "".join(f"{pin}\n" for pin in wanted.packages).encode())
        into = ["--python", str(interpreter(building)), "--requirement", str(lines)]
        _call([*uv, "pip", "install", "--quiet", *into], wanted)
        if text := _broken(building, wanted):
            raise UserError(f"toolchain {wanted.name} was installed and does not work here: {text}")
        files.write_atomic(building / _MADE, codec.encode(wanted))
        files.remove_tree(target)
        files.move(building, target)
    except OSError as error:
        raise UserError(f"toolchain {wanted.name} cannot be kept in {target.parent} ({error.strerror})") from error
    finally:
        files.remove_tree(building)


def _uv(name: str) -> list[str]:
    """Return the command ``uv``: from the path, or as a module of this Python."""
    found = shutil.which("uv")
    if found:
        return [found]
    if importlib.util.find_spec("uv") is None:
        raise UserError(f"toolchain {name} needs uv, which is neither on the path nor in this environment; "
                        "`python -m pip install uv` brings it")  # fmt: skip
    return [sys.executable, "-m", "uv"]


def _base(wanted: Toolchain) -> str:
    """Return this very Python where its version fits, else the version, for uv to find."""
    own = ".".join(platform.python_version_tuple()[:2])
    return sys.executable if wanted.python in (None, own) else str(wanted.python)


def _call(command: Sequence[str], wanted: Toolchain) -> None:
    said = _run(command, os.environ)
    if said is not None:
        raise UserError(f"toolchain {wanted.name} cannot be made (its packages must be reachable once); uv: {said}")


def _broken(folder: Path, wanted: Toolchain) -> str | None:
    """Say what is missing or does not import; None when all is well."""
    found = installed(folder)
    off = [f"{name}=={version}" for name, version in pins(wanted).items() if found.get(name) != version]
    if off:
        return f"{', '.join(off[:3])} {'is' if len(off) == 1 else 'are'} not in it"
    code = "\n".join(f"import {name}" for name in wanted.imports)
    return _run([str(interpreter(folder)), "-I", "-c", code], {**os.environ, **_IMPORTING})


def _run(command: Sequence[str], env: Mapping[str, str]) -> str | None:
    """Run a program to its end; return the end of what it said, on one line, when it failed."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, env=env, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    line = " ".join((done.stderr or done.stdout).decode("utf-8", "replace").split())
    if done.returncode == 0:
        return None
    return (line if len(line) <= _SHOWN else "…" + line[1 - _SHOWN :]) or f"exit code {done.returncode}"
