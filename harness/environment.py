"""Where a run happens: machine, processor, packages; and which of it makes two measurements comparable."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness import codec, processor
from harness.code_version import code_version
from harness.errors import UserError

__all__ = ["Environment", "code_version", "current", "fingerprint", "memory_available", "packages"]

PACKAGES = (
    "ai-edge-litert", "ai-edge-quantizer", "hydra-core", "msgspec", "numpy", "onnx", "onnxruntime", "pandas",
    "pillow", "psutil", "pyarrow", "scikit-learn", "tensorflow", "tensorflow-datasets",
    "tensorflow-model-optimization", "tf-keras", "tf2onnx",
)  # fmt: skip
"""Distributions whose versions are written down with every run."""
MEASURING = ("ai-edge-litert", "numpy", "onnxruntime", "tensorflow")
"""Those of them that run while something is measured."""
_CGROUP = Path("/sys/fs/cgroup")
_CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
_ASK = """
import importlib.metadata as m, json, platform, sys
found = {}
for name in sys.argv[1:]:
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: pass
print(json.dumps([platform.python_version(), found]))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """Facts of a machine at one moment, plain JSON; None where the system does not say."""

    machine: str
    """Architecture: ``x86_64``, ``aarch64`` …"""
    cpu: str
    cpu_flags: tuple[str, ...]
    """Those instruction sets that decide which kernels run, sorted."""
    cores: int
    """Processors that this process may use."""
    memory_bytes: int
    kernel: str
    governor: str | None
    load_average: float
    """Over the last minute, when looked at."""
    python: str
    packages: dict[str, str]
    git_revision: str | None
    """Of the harness, with ``-dirty`` when files differ from it."""


def current(python: str | None = None) -> Environment:
    """Look at this machine; ``python`` is the interpreter of a toolchain whose packages are meant.

    Raises:
        UserError: that interpreter does not work.
    """
    version, found = platform.python_version(), packages(PACKAGES)
    if python is not None and python != sys.executable:
        version, found = _ask(python)
    return Environment(
        machine=platform.machine(),
        cpu=_cpu(),
        cpu_flags=processor.flags(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=_meminfo("MemTotal"),
        kernel=platform.release(),
        governor=_text(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        load_average=os.getloadavg()[0],
        python=version,
        packages=found,
        git_revision=_git_revision(),
    )


def fingerprint(environment: Environment) -> str:
    """Return a hash over what makes two measurements comparable: 16 hex digits.

    That is: architecture, processor, its flags, cores, governor, Python's minor version and the packages that run
    while measuring. Not the load, not the revision of the harness.
    """
    decisive = {
        "machine": environment.machine,
        "cpu": environment.cpu,
        "cpu_flags": environment.cpu_flags,
        "cores": environment.cores,
        "governor": environment.governor,
        "python": environment.python.split(".")[:2],
        "packages": {name: environment.packages.get(name) for name in MEASURING},
    }
    return codec.digest(decisive)[:16]


def packages(names: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of distributions; those not installed are left out."""
    found = {name: _version(name) for name in names}
    return {name: version for name, version in found.items() if version is not None}


def memory_available() -> int:
    """Return the bytes of memory that can be had without swapping, in this container if it is one."""
    free = _meminfo("MemAvailable")
    for limit, used, stat, reclaimable in _CGROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            room = int((_CGROUP / limit).read_text()) - int((_CGROUP / used).read_text())
            found = re.search(rf"^{reclaimable} (\d+)$", (_CGROUP / stat).read_text(), re.MULTILINE)
            free = min(free, room + (int(found[1]) if found else 0))
    return max(free, 0)


@functools.cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _ask(python: str) -> tuple[str, dict[str, str]]:
    command = [python, "-I", "-c", _ASK, *PACKAGES]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        version, found = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UserError(f"the toolchain's Python {python} does not work: {error}") from error
    return version, found


def _cpu() -> str:
    """Name of the processor as the system gives it; on Arm often only a part number."""
    text = _text(Path("/proc/cpuinfo")) or ""
    for field in ("model name", "Hardware", "CPU part"):
        found = re.search(rf"^{field}\s*:\s*(.+)$", text, re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _meminfo(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", _text(Path("/proc/meminfo")) or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():  # installed, perhaps inside somebody else's checkout
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
