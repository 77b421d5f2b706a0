"""The command publish: a run as others can have it, small, and silent about the machine's folders."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import parser
from harness.errors import UserError
from harness.files import write_atomic

if TYPE_CHECKING:
    from harness.records import Record

COPIED = ("config.yaml", "run.json", "environment.json", "environment-*.json")
NEVER_PUBLISHED = ("logs", "samples", ".lock")
MOST = 4096
"""A detail of more bytes of JSON than this is shortened: lists to their first ``FIRST``, all else is left out."""
FIRST = 12


def publish_command(args: list[str]) -> int:
    """Copy a run's records and what tables and page need of the rest; print the folder and its size."""
    from harness.commands import run_folder
    from harness.report.environment import missing_cells

    words = parser("publish")
    words.add_argument("run", type=Path, help="folder of a run, or its name under results")
    words.add_argument("out", type=Path, help="folder to write, as results/reference/photos-resnet")
    words.add_argument("--models", metavar="NAME,…", default="", help="only these of the run's; default: all")
    given = words.parse_args(args)
    have = publish(run_folder(given.run), given.out, [name.strip() for name in given.models.split(",") if name.strip()])
    left = missing_cells(given.out, have)
    size = sum(file.stat().st_size for file in given.out.rglob("*") if file.is_file())
    unfinished = f"; the run is not finished: {left} of {have + left} cells are missing" if left else ""
    print(f"{given.out} ({size / 1e6:.1f} MB){unfinished}{_changed(given.out)}")
    return 0


def _changed(out: Path) -> str:
    """Return what to know of a run whose code is in no commit."""
    revision = str(_mapping(out / "environment.json").get("git_revision"))
    return f"; files differed from the commit ({revision}): nobody can run that again" * revision.endswith("-dirty")


def publish(run: Path, out: Path, models: Sequence[str] = ()) -> int:
    """Write into ``out``, which may hold the same run: records, predictions that have labels, quantiles of latencies.

    Return the number of records. Logs, raw samples and artifacts stay where they are. ``models`` are the only ones to
    publish, all where it is empty; ``run.json`` then names them, and counts the cells of no other. Raises ``UserError``
    when ``out`` holds something else, the run no record, or no record of one of ``models``.
    """
    from harness.codec import encode_record
    from harness.tables.read import RECORDS, read

    records = read(run).records
    if unknown := sorted(set(models) - {record.cell.model for record in records}):
        known = ", ".join(sorted({record.cell.model for record in records}))
        raise UserError(f"--models={unknown[0]}: {run} has no cell of it; allowed: {known or 'none'}")
    if out.resolve() == run.resolve():
        raise UserError(f"{out}: is the run itself; allowed: another folder")
    if not records:
        raise UserError(f"{run}: has no finished cell yet; allowed: a run that has one")
    _refuse_others(out, {record.run for record in records})
    shutil.rmtree(out / "predictions", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    plain = _Plain(_roots(run, records))
    for pattern in COPIED:
        for file in sorted(run.glob(pattern)):
            write_atomic(out / file.name, plain.text(file.read_text("utf-8")).encode())
    if models:
        records = tuple(record for record in records if record.cell.model in models)
        _only(sorted(set(models)), len(records), out)
    kept = [_kept(record, run, out) for record in records]
    lines = [encode_record(plain.record(record)) for record in kept]
    write_atomic(out / RECORDS, b"".join(line + b"\n" for line in lines))
    _write_latencies(records, run, out)
    return len(records)


def _refuse_others(out: Path, runs: set[str]) -> None:
    from harness.tables.read import RECORDS, read

    if not out.exists():
        return
    found = {record.run for record in read(out).records} if (out / RECORDS).is_file() else set()
    original = any((out / name).exists() for name in NEVER_PUBLISHED)  # nothing is to be written over a run itself
    if not out.is_dir() or original or (any(out.iterdir()) and found != runs):
        raise UserError(
            f"{out}: holds something else; allowed: a new folder, or one that the same run was published to"
        )


def _only(models: list[str], have: int, out: Path) -> None:
    """Say in the published ``run.json`` which models are left, and how many cells they were to have."""
    from harness.report.environment import PLAN

    plan, config = _mapping(out / PLAN), _mapping(out / "config.yaml")
    asked, planned = plan.get("models") or config.get("model"), plan.get("cells")
    if not plan:
        return
    if isinstance(planned, int) and isinstance(asked, Mapping | list) and all(name in asked for name in models):
        whole = planned // len(asked) * len(models)  # a plan has the same cells for each of its models
        plan |= {"cells": whole, "complete": have >= whole}
    write_atomic(out / PLAN, json.dumps(plan | {"models": models}, indent=2).encode() + b"\n")


def _mapping(file: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _roots(run: Path, records: tuple[Record, ...]) -> dict[str, str]:
    """Return what names a folder of this machine → what stands for it, the longest first."""
    found = {str(Path.cwd()): ".", str(run.resolve().parent.parent): ".", str(Path.home()): "~"}
    for record in records:
        made = record.details.get("made_from")
        for folder in made.values() if isinstance(made, Mapping) else ():
            root, mark, _ = str(folder).partition("/entries/")
            if mark and Path(root).is_absolute():
                found[root] = "cache"
    return {name: found[name] for name in sorted(found, key=len, reverse=True) if len(name) > 1}


class _Plain:
    """Text without folders of this machine."""

    def __init__(self, roots: Mapping[str, str]) -> None:
        self._roots = roots

    def text(self, text: str) -> str:
        for root, word in self._roots.items():
            text = re.sub(rf"{re.escape(root)}(?![\w-])", word, text)
        return text

    def record(self, record: Record) -> Record:
        from harness.codec import decode, encode

        return decode(self.text(encode(record).decode()).encode(), type(record))


def _kept(record: Record, run: Path, out: Path) -> Record:
    """Return a record without what is not published, after copying its predictions where they can be right or wrong."""
    details = {name: _short(value) for name, value in record.details.items() if name not in ("files", "made_from")}
    files = record.details.get("files")
    name = files.get("predictions") if isinstance(files, dict) else None
    labelled = "top1" in record.values and isinstance(name, str) and (run / name).is_file()
    if labelled and (run / str(name)).resolve().is_relative_to(run.resolve()):
        (out / str(name)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / str(name), out / str(name))
        details["files"] = {"predictions": name}
    return replace(record, details={k: v for k, v in details.items() if v is not None}, logs={})


def _short(value: Any) -> Any:
    """Return a detail as it is when it is small; a long list by its beginning; of a mapping what is small."""
    if len(json.dumps(value)) <= MOST:
        return value
    if isinstance(value, list):
        return (
            [*(_short(one) for one in value[:FIRST]), f"and {len(value) - FIRST} more"] if len(value) > FIRST else None
        )
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if len(json.dumps(one)) <= MOST // 4} or None
    return None


def _write_latencies(records: tuple[Record, ...], run: Path, out: Path) -> None:
    from harness.report.latencies import FILE, key, quantiles

    found = {key(record): of for record in records if (of := quantiles(record, run))}
    if found:
        write_atomic(out / FILE, json.dumps(found, separators=(",", ":")).encode())
