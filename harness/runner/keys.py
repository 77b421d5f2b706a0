"""What a result depends on, as one hash: options, upstream content, packages, code, for measurements the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import codec, environment, plugins
from harness.plan import Node, PlannedCell

PACKAGES: dict[str, tuple[str, ...]] = {
    "dataset": ("numpy", "pillow", "scikit-learn", "tensorflow-datasets"),
    "source": ("numpy", "tensorflow", "tf-keras"),
    "quantize": ("numpy",),
    "export": ("numpy", "flatbuffers"),
    "evaluate": ("numpy",),
    "latency": ("numpy",),
}
"""Job kind → distributions whose versions decide its result, besides those of its plug-in."""
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

    def node(self, node: Node, upstream: Mapping[str, str], extra: Mapping[str, Any] | None = None) -> str:
        """Return the key of a node; ``upstream`` maps its inputs to their content digests."""
        return codec.digest({
            "kind": node.kind,
            "options": node.options,
            "files": file_state(_paths(node.options)),
            "upstream": dict(upstream),
            "extra": dict(extra or {}),
            **self._versions(node.kind, node.plugin),
        })  # fmt: skip

    def round(self, index: int, members: Mapping[str, Any], measure: Mapping[str, Any], methods: Iterable[str]) -> str:
        """Return the key of one round of latency over all ``members`` (cell → what it runs)."""
        versions = {m: self._versions("latency", ("runtimes", m)) for m in sorted(set(methods))}
        return codec.digest({"round": index, "members": dict(members), "measure": dict(measure), "v": versions})

    def cell(self, planned: PlannedCell) -> str:
        """Return the key of a cell as far as the plan alone determines it: what a record answers to."""
        methods = {axis: planned.options[axis]["method"] for axis in ("quant", "export", "runtime")}
        groups = {"quant": "quantizers", "export": "exporters", "runtime": "runtimes"}
        kinds = {"quant": "quantize", "export": "export", "runtime": "evaluate"}
        parts = [self._versions(kinds[a], (groups[a], m)) for a, m in methods.items()]
        parts += [self._versions(kind, None) for kind in ("dataset", "source", "latency")]
        return codec.digest({
            "cell": planned.cell.id,
            "task": planned.cell.task,
            "options": planned.options,
            "files": file_state(_paths(planned.options)),
            "versions": parts,
        })  # fmt: skip

    def _versions(self, kind: str, plugin: tuple[str, str] | None) -> dict[str, Any]:
        names, files = set(PACKAGES[kind]), [_HERE / "stages" / f"{kind}.py"]
        part: dict[str, Any] = {}
        if plugin is not None:
            module = plugins.load(*plugin, self.plugins_dir)
            names |= set(module.PACKAGES)
            files.append(Path(str(module.__file__)))
            part = module.machine() if hasattr(module, "machine") else {}
        versions = {"packages": environment.packages(sorted(names)), "code": environment.code_version(*files)}
        versions |= {"part": part} if part else {}
        return versions | ({"machine": self.fingerprint, "nonce": self.nonce} if kind in MEASURED else {})


def _paths(options: Any) -> Iterator[Path]:
    """Every existing file or folder that the options name: its state is part of the key."""
    if isinstance(options, dict):
        for key, value in options.items():
            if key in ("path", "weights") and isinstance(value, str) and Path(value).exists():
                yield Path(value)
            elif isinstance(value, dict):
                yield from _paths(value)


def file_state(paths: Iterable[Path]) -> list[list[Any]]:
    """Return name, size and modification time (ns) of the files, folders walked through."""
    state: list[list[Any]] = []
    for path in paths:
        files = [path] if path.is_file() else [Path(d, f) for d, _, names in os.walk(path) for f in names]
        for file in sorted(files):
            about = file.stat()
            state.append([str(file.absolute()), about.st_size, about.st_mtime_ns])
    return state
