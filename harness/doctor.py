"""What this machine and environment offer, what is missing, and how to get it. Imports no ML library."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import environment, locks, processor, toolchains
from harness.cache import default_root
from harness.environment import Environment
from harness.errors import Unsupported

GIB = 2**30
NEEDED_MEMORY = 6 * GIB
"""What the conversion of ResNet50 to ONNX takes, with some room."""
NEEDED_DISK = 5 * GIB
OPTIONAL_PACKAGES = {
    "tensorflow-datasets": "for task=imagenet: pip install 'zoo-harness[imagenet]'",
}
TOOLS = {
    "dot": "to draw graphs: install the graphviz package of your system",
    "node": "to run TensorFlow.js artifacts: install the nodejs package of your system",
    "uv": "to make toolchains: pip install uv",
    "git": "to record the revision: install the git package of your system",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One finding."""

    name: str
    value: str
    ok: bool = True
    """False for what will make runs fail or measurements worthless."""
    hint: str = ""


def report(cache_dir: Path | None = None, results_dir: Path = Path("results")) -> list[Line]:
    """Look at everything, in well under a second."""
    now = environment.current()
    return [
        *_machine(now),
        *_room("cache folder", cache_dir or default_root(), "cache_dir="),
        *_room("results folder", results_dir, "results_dir="),
        *_packages(now),
        *_tools(),
        *_toolchains(cache_dir),
    ]


def _machine(now: Environment) -> list[Line]:
    return [
        Line("python", f"{now.python} ({sys.executable})"),
        Line("processor", f"{now.cpu}, {now.machine}, {now.cores} usable"),
        Line("cpu flags", " ".join(now.cpu_flags) or "unknown"),
        _int8_sums(now.cpu_flags),
        _governor(now.governor),
        _load(now),
        _memory(now),
        _measuring(),
    ]


def _int8_sums(flags: tuple[str, ...]) -> Line:
    """Return whether plain quantized ONNX models are right here; what runs here asks for exact sums anyway."""
    if processor.adds_int8_without_saturation(flags):
        return Line("int8 sums", "in 32 bits")
    hint = "a plain ONNX Runtime session is wrong in int8 here: set session.x64quantprecision, as the harness does"
    return Line("int8 sums", "in 16 bits, which overflow", hint=hint)


def _governor(name: str | None) -> Line:
    if name in (None, "performance"):
        return Line("governor", name or "not told by the system")
    return Line("governor", str(name), hint="times vary less with: cpupower frequency-set -g performance")


def _load(now: Environment) -> Line:
    calm = now.load_average < now.cores / 2
    return Line("load", f"{now.load_average:.2f}", calm, "" if calm else "measurements will be noisy: stop other work")


def _memory(now: Environment) -> Line:
    free = environment.memory_available()
    enough = free >= NEEDED_MEMORY
    hint = (
        "" if enough else f"large conversions need {NEEDED_MEMORY // GIB} GiB and more: they will be recorded as failed"
    )
    return Line("memory", f"{free / GIB:.1f} of {now.memory_bytes / GIB:.1f} GiB available", enough, hint)


def _measuring() -> Line:
    lock = locks.machine_lock()
    try:
        free = lock.try_acquire()
    except OSError as error:
        return Line("measuring lock", str(error), ok=False, hint=f"remove {lock.path}")
    lock.release()
    return Line("measuring lock", "free" if free else f"held by process {lock.holder}: a run would wait for it")


def _room(name: str, folder: Path, option: str) -> list[Line]:
    """Whether a folder can be written, or made, and what room there is; nothing is made."""
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    free = shutil.disk_usage(existing).free
    hint = "" if writable else f"not writable: choose another with {option}"
    if writable and free < NEEDED_DISK:
        hint = f"little room: choose another with {option}"
    return [Line(name, f"{folder}, {free / GIB:.1f} GiB free", not hint, hint)]


def _packages(now: Environment) -> list[Line]:
    lines = []
    for name in environment.PACKAGES:
        version = now.packages.get(name)
        if name in OPTIONAL_PACKAGES:
            lines.append(Line(name, version or "not installed", hint="" if version else OPTIONAL_PACKAGES[name]))
        else:
            hint = "" if version else "needed: run make setup, or reinstall zoo-harness"
            lines.append(Line(name, version or "missing", version is not None, hint))
    return lines


def _tools() -> list[Line]:
    lines = []
    for name, hint in TOOLS.items():
        path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        lines.append(Line(name, path or "not found", hint="" if path else hint))
    return lines


def _toolchains(root: Path | None) -> list[Line]:
    """Which sets of older packages are there; none has to be."""
    lines = []
    for name in toolchains.names():
        if name == toolchains.DEFAULT:
            continue
        try:
            lines.append(Line(f"toolchain {name}", str(toolchains.python(name, root=root).parents[1])))
        except Unsupported:
            lines.append(
                Line(f"toolchain {name}", "not installed", hint=f"for toolchain={name}: harness toolchain sync {name}")
            )
    return lines
