"""The commands why and profile: they look into a cell of a finished run."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.cli import parser
from harness.commands import find_cell
from harness.errors import StageFailed, UserError
from harness.files import write_atomic
from harness.records import Cell, Record

FLOAT = "none"
WORST = 10
"""Layers to print of those that lose most."""


def why_command(args: list[str]) -> int:
    """Print where a cell's numbers go wrong, layer by layer; table, picture and JSON go to a folder."""
    words = _words("why")
    words.add_argument("--images", type=_whole, default=8, help="how many evaluation images (default: 8)")
    words.add_argument("--floor-db", type=_decibels, default=10.0, help="a layer under this is broken (default: 10)")
    given = words.parse_args(args)
    folder, record = find_cell(given.run, given.cell)
    if _stopped(record, folder):
        return 0
    reference = _reference(folder, record)
    inputs = {"artifact": _made(record, "export"), "float": _made(reference, "export")}
    inputs |= {name: _made(record, name) for name in ("source", "dataset")}
    images = min(given.images, int(record.values.get("images") or given.images))
    found = _layers(inputs, images)
    _tell(record, reference, found, images, given.floor_db, _out(given.out, folder, "why", record))
    return 0


def profile_command(args: list[str]) -> int:
    """Print where the time of a cell goes, operator by operator, inside and outside the delegate."""
    words = _words("profile")
    words.add_argument("--runs", type=_whole, default=50, help="inferences that count (default: 50)")
    words.add_argument("--top", type=_whole, default=10, help="operators to print (default: 10)")
    given = words.parse_args(args)
    folder, record = find_cell(given.run, given.cell)
    if _stopped(record, folder):
        return 0
    options = {"runtime": record.options["runtime"], "threads": record.cell.threads, "runs": given.runs}
    rows = _profiled(record, options)
    _tell_profile(record, rows, given.top, _out(given.out, folder, "profile", record))
    return 0


def _words(name: str) -> ArgumentParser:
    """Return the parser of a command on one cell of a run that writes into a folder."""
    words = parser(name)
    words.add_argument("run", help="folder or name of a run")
    words.add_argument("cell", help="model/quant/export/runtime/t1, or a part of it that is unique; TASK: before it")
    words.add_argument("--out", type=Path, help=f"folder to write to; default: reports/<run>/{name}/<task>__<cell>")
    return words


def _whole(text: str) -> int:
    """Read a number of things, at least one."""
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)


def _decibels(text: str) -> float:
    """Read a finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentTypeError(f"'{text}' is no number of decibels")
    return number


def _out(given: Path | None, folder: Path, name: str, record: Record) -> Path:
    cell = record.cell
    return given or Path("reports") / folder.name / name / f"{cell.task}/{cell.id}".replace("/", "__")


def _profiled(record: Record, options: dict[str, Any]) -> list[Any]:
    from harness.insight.profiles import OpTime
    from harness.runner import single

    try:
        with single.done("profile", options, {"artifact": _made(record, "export")}) as (_, out):
            return [OpTime(**one) for one in json.loads((out / "profile.json").read_text())]
    except StageFailed as error:
        raise UserError(str(error)) from error


def _tell_profile(record: Record, rows: list[Any], top: int, out: Path) -> None:
    from harness.report.shown import clip
    from harness.report.terminal import print_table

    total = sum(row.median_us for row in rows)
    print(f"{record.cell.id}: {len(rows)} operators, {total / 1000:.3f} ms in all (sum of medians)")
    for inside in dict.fromkeys(row.inside for row in rows):
        share = sum(row.share for row in rows if row.inside == inside)
        print(f"  {inside or 'built-in kernels'}: {sum(row.inside == inside for row in rows)} operators, {share:.1%}")
    slowest = sorted(rows, key=lambda row: -row.median_us)[:top]
    lines = ([str(r.position), r.op, clip(r.name.rpartition(";")[2], 60), r.inside or "built-in",
              f"{r.median_us / 1000:.4f}", f"{r.share:.1%}"] for r in slowest)  # fmt: skip
    print_table(["#", "op", "name", "computed by", "ms", "share"], lines, title=f"the {len(slowest)} slowest")
    if any(row.inside and row.name.startswith("#") for row in slowest):
        print("#N under 'name': the N-th operator of the delegate's own graph, which has no names of the file")
    facts = {"cell": record.cell.id, "operators": [asdict(row) for row in rows]}
    _write(out, {"profile.json": json.dumps(facts, indent=1)})


def _stopped(record: Record, folder: Path) -> bool:
    """Say why a cell did not go all the way; false for one that did."""
    failure = record.failure
    if failure is None or record.status == "noisy":
        return False
    print(f"{record.cell.id}: {record.status} at {failure.stage}: {failure.reason}")
    print(f"{failure.error}: {failure.message}")
    if failure.log_tail:
        print("\nend of the log:\n" + failure.log_tail)
    for kind, log in record.logs.items():
        print(f"log of {kind}: {folder / log}")
    print(f"again: {record.reproduce}")
    return True


def _reference(folder: Path, record: Record) -> Record:
    """Return a record of the float model through the same export. Raises ``UserError``."""
    from harness.tables import read

    if record.cell.quant == FLOAT:
        raise UserError(f"{record.cell.id} is the float model itself; allowed: a quantized cell")
    wanted = replace(record.cell, quant=FLOAT)
    same = (one for one in read(folder).records if _artifact_of(one.cell) == _artifact_of(wanted))
    found = [one for one in same if one.artifact is not None]
    if not found:
        raise UserError(f"the run has no float artifact to hold {record.cell.id} against: {wanted.id} is missing")
    return found[0]


def _artifact_of(cell: Cell) -> Cell:
    """Return what cells with the same artifact have in common."""
    return replace(cell, runtime="", threads=1)


def _made(record: Record, kind: str) -> Path:
    """Return the folder in the cache that a part of a cell came from. Raises ``UserError``."""
    made: dict[str, str] = record.details.get("made_from", {})
    path = Path(made[kind]) if kind in made else None
    if path is None or not path.is_dir():
        raise UserError(f"{record.cell.id}: its {kind} is no longer in the cache; again: {record.reproduce}")
    return path


def _layers(inputs: dict[str, Path], images: int) -> tuple[list[Any], int]:
    """Return the layers that have a float partner, and how many values there are. Raises ``UserError``."""
    from harness.insight.errors import Layer
    from harness.runner import single

    try:
        with single.done("why", {"images": images}, inputs) as (_, out):
            found = json.loads((out / "why.json").read_text())
            return [Layer(**one) for one in found["layers"]], found["computed"]
    except StageFailed as error:
        raise UserError(str(error)) from error


def _tell(
    record: Record, reference: Record, found: tuple[list[Any], int], images: int, floor_db: float, out: Path
) -> None:
    from harness.insight import errors
    from harness.report import why as pages
    from harness.report.terminal import print_table

    layers, computed = found
    why = pages.Why(
        cell=record.cell.id,
        reference=f"{reference.cell.quant}/{reference.cell.export}",
        images=images,
        floor_db=floor_db,
        layers=tuple(layers),
        computed=computed,
        broken=errors.first_broken(layers, floor_db),
        worst=tuple(errors.worst(layers, WORST)),
    )
    print(f"{why.cell} against {why.reference}: {pages.partners(why)}")
    if pages.partial(why):
        print("warning: more than half of its values are not compared: the worst layer may be one of them")
    print(pages.headline(why))
    shown = (0, 1, 2, 3, 4, 6, 10, 11)  # the page has all columns
    rows = ([row[i] for i in shown] for row in pages.rows(why.worst))
    print_table([pages.HEAD[i] for i in shown], rows, title="where most is lost")
    facts = {"cell": why.cell, "reference": why.reference, "images": images, "floor_db": floor_db, "computed": computed,
             "broken": why.broken.name if why.broken else None, "worst": [one.name for one in why.worst],
             "layers": [asdict(one) for one in layers]}  # fmt: skip
    content = json.dumps(facts, indent=1)
    _write(out, {"why.md": pages.markdown(why), "why.svg": pages.picture(why), "why.json": content})


def _write(out: Path, contents: dict[str, str | bytes]) -> None:
    """Write files into a folder and say so. Raises ``UserError``."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write_atomic(out / name, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}; allowed: --out FOLDER") from error
    print(f"written: {', '.join(str(out / name) for name in contents)}")
    sys.stdout.flush()
