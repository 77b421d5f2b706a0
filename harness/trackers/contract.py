"""What a tracker is: ``harness/trackers/<method>.py`` with the names below; and a cell in the words of trackers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harness.tables.verdict import Judged

_ODD = re.compile(r"[^\w\-. ]|^\.+")


@dataclass(frozen=True, slots=True)
class Tracked:
    """A finished run."""

    folder: Path
    cells: tuple[Judged, ...]
    """The last record of each cell."""

    @property
    def name(self) -> str:
        """Id of the run."""
        return self.folder.name


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell as parameters, metrics and tags."""

    parameters: dict[str, str]
    """What was chosen: the axes, then every option as ``quant.scheme``."""
    metrics: dict[str, float]
    """What was measured: columns with a finite number."""
    tags: dict[str, str]
    """What it is and what became of it; columns with a text or a truth value as ``value.<column>``."""


class Tracker(Protocol):
    """The module itself: functions and constants, no class to derive from."""

    Options: ClassVar[type]
    """Dataclass of what a preset in ``conf/tracker`` may set."""

    def ready(self, options: Any) -> None:
        """Raise ``UserError`` when it cannot work in this environment, as a package is missing; talks to no server."""

    def track(self, run: Tracked, options: Any) -> str:
        """Send what the server does not have yet, return where to look. Whatever it raises becomes one warning."""


def entry(j: Judged) -> Entry:
    """Return a judged cell in the words of trackers."""
    record, cell = j.record, asdict(j.record.cell)
    options = {name: value for name, value in record.options.items() if name not in cell}
    nested = {f"{axis}.{key}": value for axis, part in record.options.items() if axis in cell and isinstance(part, dict)
              for key, value in _flat(part)}  # fmt: skip
    parameters = {**cell, **nested, **dict(_flat(options))}
    values = record.values.items()
    words = {f"value.{name}": value for name, value in values if isinstance(value, bool | str)}
    failure = record.failure
    known = {
        "cell": record.cell.id, "key": record.key, "status": record.status, "stage": record.stage,
        "verdict": j.verdict.verdict, "why": j.verdict.text, "reason": failure.reason if failure else None,
        "reproduce": record.reproduce, "fingerprint": record.fingerprint, "artifact_sha256": record.artifact_sha256,
        **words,
    }  # fmt: skip
    return Entry(
        {_name(name): _text(value) for name, value in parameters.items()},
        {_name(name): float(value) for name, value in values if _is_number(value)},  # type: ignore[arg-type]
        {_name(name): _text(value) for name, value in known.items() if value is not None},
    )


def files(run: Tracked, j: Judged) -> Iterator[Path]:
    """Yield what lies beside the records of a cell and belongs to it: samples, predictions, logs."""
    root = run.folder.resolve()
    kept = j.record.details.get("files")
    for name in (*(kept.values() if isinstance(kept, dict) else ()), *j.record.logs.values()):
        path = (root / str(name)).resolve()
        if path.is_relative_to(root) and path.is_file():
            yield path


def _flat(tree: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _name(text: str) -> str:
    """Return a name without what a tracker may not take: letters, digits, ``_ - .`` and spaces stay."""
    return _ODD.sub("_", text)[:250] or "_"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
