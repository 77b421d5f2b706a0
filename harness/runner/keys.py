"""What a result depends on, as one hash: options, upstream content, packages, code, for measurements the machine."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import codec, environment, plugins
from harness.errors import UserError
from harness.plan import Node, PlannedCell
from harness.runner.tools import Tools
from harness.toolchains import DEFAULT

PACKAGES: dict[str, tuple[str, ...]] = {
    "dataset": ("numpy", "pillow", "scikit-learn", "tensorflow-datasets"),
    "source": ("numpy", "tensorflow", "tf-keras", "keras"),
    "quantize": ("numpy",),
    "export": ("numpy", "flatbuffers"),
    "evaluate": ("numpy",),
    "latency": ("numpy",),
}
"""Job kind → distributions whose versions decide its result, besides those of its plug-in."""
BY_NAME = {"evaluate": ("runtimes/litert.py", "graph/tflite.py")}
"""Job kind → files that its stage imports by name: here to look at what an artifact was converted from."""
MEASURED = ("evaluate", "latency")
"""Job kinds whose results hold for one machine and environment only."""
_HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Keys:
    """Makes the keys of one run."""

    fingerprint: str
    plugins_dir: str | None = None
    nonce: str = ""
    """Set to measure again: enters the keys of measurements only."""
    tools: Mapping[str, Tools] = field(default_factory=dict)
    """Toolchain → what is installed there; those other than the default are looked up here."""

    def fingerprint_of(self, toolchain: str) -> str:
        """Return the fingerprint of what is measured in a toolchain."""
        return self.fingerprint if toolchain == DEFAULT else self.tools[toolchain].fingerprint

    def node(self, node: Node, upstream: Mapping[str, str], extra: Mapping[str, Any] | None = None) -> str:
        """Return the key of a node; ``upstream`` maps its inputs to their content digests."""
        return codec.digest({
            "kind": node.kind,
            "options": node.options,
            "files": file_state(_paths(node.options)),
            "upstream": dict(upstream),
            "extra": dict(extra or {}),
            **self._versions(node.kind, node.plugin, node.toolchain, node.options),
        })  # fmt: skip

    def round(
        self,
        index: int,
        members: Mapping[str, Any],
        measure: Mapping[str, Any],
        methods: Iterable[str],
        toolchains: Iterable[str] = (),
    ) -> str:
        """Return the key of one round of latency over all ``members`` (cell → what it runs)."""
        versions = {m: self._versions("latency", ("runtimes", m)) for m in sorted(set(methods))}
        others = {t: self._versions("latency", None, t) for t in sorted(set(toolchains) - {DEFAULT})}
        content = {"round": index, "members": dict(members), "measure": dict(measure), "v": versions}
        return codec.digest(content | ({"toolchains": others} if others else {}))

    def cell(self, planned: PlannedCell) -> str:
        """Return the key of a cell as far as the plan alone determines it: what a record answers to."""
        methods = {axis: planned.options[axis]["method"] for axis in ("quant", "export", "runtime")}
        groups = {"quant": "quantizers", "export": "exporters", "runtime": "runtimes"}
        kinds = {"quant": "quantize", "export": "export", "runtime": "evaluate"}
        own = planned.cell.toolchain
        exporter = plugins.load("exporters", methods["export"], self.plugins_dir)
        place = {"quant": DEFAULT, "export": getattr(exporter, "TOOLCHAIN", own), "runtime": own}
        parts = [self._versions(kinds[a], (groups[a], m), place[a]) for a, m in methods.items()]
        parts += [self._versions(kind, None, options=planned.options) for kind in ("dataset", "source", "latency")]
        if (other := getattr(exporter, "STARTS_FROM", None)) is not None:
            parts.append(self._versions("export", ("exporters", other), own))
        return codec.digest({
            "cell": planned.cell.id,
            "task": planned.cell.task,
            "options": planned.options,
            "files": file_state(_paths(planned.options)),
            "versions": parts,
        })  # fmt: skip

    def _versions(
        self,
        kind: str,
        plugin: tuple[str, str] | None,
        toolchain: str = DEFAULT,
        options: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return packages and code behind a job; of another toolchain than the default, all its packages."""
        names = set(PACKAGES[kind])
        files = [_HERE / file for file in (f"stages/{kind}.py", *BY_NAME.get(kind, ()))]
        part: dict[str, Any] = {}
        if plugin is not None:
            module = plugins.load(*plugin, self.plugins_dir)
            names |= set(module.PACKAGES)
            files.append(Path(str(module.__file__)))
            files += _reader(getattr(module, "FORMAT", ""))
            part = module.machine() if hasattr(module, "machine") else {}
        files += _loader(options or {}) if kind == "dataset" else []
        installed = environment.packages(sorted(names)) if toolchain == DEFAULT else self.tools[toolchain].packages
        versions = {"packages": installed, "code": environment.code_version(*files)}
        versions |= {"part": part} if part else {}
        machine = {"machine": self.fingerprint_of(toolchain), "nonce": self.nonce}
        return versions | (machine if kind in MEASURED else {})


def _loader(options: Mapping[str, Any]) -> list[Path]:
    """Return the file that loads a task's images, which the stage imports by name."""
    task = options.get("task")
    file = _HERE.parent / "zoo" / "data" / f"{task.get('kind') if isinstance(task, Mapping) else ''}.py"
    return [file] if file.is_file() else []


def _reader(format: str) -> list[Path]:
    """Return the file that reads an exporter's artifacts for their audit, imported by name too."""
    file = _HERE / "graph" / f"{format}.py"
    return [file] if format and file.is_file() else []


def _paths(options: Any) -> Iterator[Path]:
    """Every existing file or folder that the options name: its state is part of the key."""
    if isinstance(options, dict):
        for key, value in options.items():
            if key in ("path", "weights") and isinstance(value, str):
                with contextlib.suppress(RuntimeError, OSError, ValueError):  # no such user, no path: not ours to say
                    path = Path(value).expanduser()
                    if path.exists():
                        yield path
            elif isinstance(value, dict):
                yield from _paths(value)


def file_state(paths: Iterable[Path]) -> list[list[Any]]:
    """Return name, size and modification time (ns) of the files, folders walked through, links followed.

    Raises:
        UserError: a file cannot be looked at.
    """
    state: list[list[Any]] = []
    for path in paths:
        for file in [path] if path.is_file() else sorted(_files(path)):
            try:
                about = file.stat()
                state.append([str(file.absolute()), about.st_size, about.st_mtime_ns])
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ELOOP):
                    raise UserError(f"{file}: {error.strerror}; allowed: files that can be read") from error
                state.append([str(file.absolute()), None, None])  # a link to nowhere, such as an editor's lock
    return state


def _files(folder: Path) -> Iterator[Path]:
    """Return every file below a folder; a link that leads back up is not followed twice."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            yield Path(place)
            continue
        seen.add(real)
        folders.sort()  # the same of two links is followed each time
        yield from (Path(place, name) for name in names)
