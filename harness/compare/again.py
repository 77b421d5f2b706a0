"""One side of a suspected cell, measured again: its artifact from the cache, one round in a fresh process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.compare.pairing import Side
from harness.errors import StageFailed
from harness.metrics.latency import Round
from harness.records import Record

INPUTS = {"artifact": "export", "source": "source", "dataset": "dataset"}
"""Input of a latency job → the kind of work that made it."""


class Gone(Exception):
    """A side that cannot be measured any more; says why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured."""

    options: Mapping[str, Any]
    """Of its latency job."""
    inputs: Mapping[str, Path]


def subject(one: Side, record: Record, measure: Mapping[str, Any], plugins_dir: str | None = None) -> Subject:
    """Return what it takes to measure a cell of a side as ``measure`` (``conf/measure``) says.

    ``plugins_dir`` is the caller's: what a run says of it is not believed, for a run may come from anywhere.

    Raises:
        Gone: the cache no longer holds what the cell was made from.
    """
    made = record.details.get("made_from")
    folders = {name: Path(str(made.get(kind))) for name, kind in INPUTS.items()} if isinstance(made, dict) else {}
    lost = sorted(INPUTS[name] for name in INPUTS if name not in folders or not folders[name].is_dir())
    if lost:
        what = "artifact" if "export" in lost else lost[0]
        raise Gone(f"the {what} of the {one.name} is no longer in the cache ({record.run})")
    options = {
        "runtime": record.options.get("runtime"),
        "threads": record.cell.threads,
        "measure": dict(measure),
        "artifact_sha256": record.artifact_sha256,
        "plugins_dir": plugins_dir,
    }
    return Subject(options, folders)


def measured(one: Subject) -> Round:
    """Return the raw times of one round in a process of its own.

    Raises:
        Gone: it cannot be measured: another file lies there, the runtime does not take it, the process died.
    """
    from harness.runner import single

    try:
        with single.done("latency", dict(one.options), one.inputs) as (result, _):
            return result.details
    except StageFailed as error:
        raise Gone(str(error)) from error
