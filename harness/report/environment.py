"""Where and when a run was measured: its ``environment.json`` as rows of text, whatever it holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from harness.records import Record
from harness.report.shown import one_line, percent

FILE = "environment.json"
PLAN = "run.json"
OF_TOOLCHAIN = "environment-*.json"
Rows = tuple[tuple[str, str], ...]
_ARM = (("asimddp", "dot product"), ("i8mm", "i8mm"))


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run."""

    run: str
    first: str
    last: str
    """When its first and its last cell started, ISO 8601, UTC."""
    cells: int
    fingerprints: tuple[str, ...]
    facts: Rows
    """Scalars and lists of the environment, as text."""
    tables: tuple[tuple[str, Rows], ...]
    """Mappings of the environment, such as ``packages``; and the packages of each other toolchain."""
    toolchains: tuple[tuple[str, Rows], ...]
    """Toolchain → its packages, the default among them."""
    noise: Rows
    """How undisturbed the latencies were; empty when none was measured."""
    problem: str
    """Why there are no facts; empty when there are."""
    missing: int
    """Cells that the run was to have and does not have yet; 0 where that is unknown."""


def run_info(run: str, folder: Path, records: Sequence[Record]) -> RunInfo:
    """Return what is known of a run; a missing or damaged ``environment.json`` is said, not raised."""
    plain, problem = _read(folder / FILE)
    others = _others(folder)
    started = sorted(r.started_at for r in records)
    tables = [(name, _rows(part)) for name, part in sorted(plain.items()) if isinstance(part, dict)]
    tables += [(f"packages of toolchain {name}", packages) for name, packages in others]
    return RunInfo(
        run=run,
        first=started[0],
        last=started[-1],
        cells=len(records),
        fingerprints=tuple(sorted({r.fingerprint for r in records})),
        facts=_rows({name: part for name, part in plain.items() if not isinstance(part, dict)}),
        tables=tuple((name, rows) for name, rows in tables if rows),
        toolchains=(("default", _packages(plain)), *others),
        noise=tuple(_noise(records)),
        problem=problem,
        missing=missing_cells(folder, len(records)),
    )


def missing_cells(folder: Path, have: int) -> int:
    """Return how many cells a run was to have besides the ``have`` that it has; 0 where its plan is unknown."""
    planned = _read(folder / PLAN)[0].get("cells")
    return max(0, planned - have) if isinstance(planned, int) else 0


def processor(info: RunInfo) -> str:
    """Return a processor's name and ``vectors``; empty where nothing is known of it."""
    return ", ".join(one for one in (dict(info.facts).get("cpu", ""), vectors(info)) if one)


def vectors(info: RunInfo) -> str:
    """Return what of a processor decides whether int8 is fast: ``AVX2, no VNNI``; empty where its flags are unknown."""
    flags = set(dict(info.facts).get("cpu_flags", "").replace(",", " ").split())
    if not any(flag.startswith("avx") for flag in flags):
        return ", ".join(name for flag, name in _ARM if flag in flags)
    width = "AVX-512" if "avx512f" in flags or any(flag.startswith("avx512") for flag in flags) else "AVX2"
    return f"{width}, {'VNNI' if flags & {'avx512_vnni', 'avx_vnni'} else 'no VNNI'}"


def _noise(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    measured = [r.values for r in records if "latency_p50_ms" in r.values]
    if not measured:
        return
    yield "cells with a latency", str(len(measured))
    processes = Counter(found for values in measured if isinstance(found := values.get("processes"), int))
    if processes:
        yield "processes a cell", ", ".join(f"{n}{_of(cells, processes)}" for n, cells in sorted(processes.items()))
    clean = sorted(
        float(found) for values in measured if isinstance(found := values.get("clean_fraction"), int | float)
    )
    if clean:
        shares = f"{percent(median(clean))} % in the middle, {percent(clean[0])} % in the worst cell"
        yield "samples that ran undisturbed", shares
    for name, said in (
        ("noisy", "noisy cells (under half undisturbed)"),
        ("unsteady", "cells with a trend in a process"),
    ):
        yield said, str(sum(values.get(name) is True for values in measured))


def _of(cells: int, processes: Counter[int]) -> str:
    return f" ({cells} cells)" if len(processes) > 1 else ""


def _others(folder: Path) -> list[tuple[str, Rows]]:
    """Return toolchain → packages for those besides the default; a damaged file has none."""
    files = sorted(folder.glob(OF_TOOLCHAIN))
    return [(one_line(file.stem.partition("-")[2]), _packages(_read(file)[0])) for file in files]


def _packages(plain: Mapping[str, Any]) -> Rows:
    found = plain.get("packages")
    return _rows(found) if isinstance(found, dict) else ()


def _read(file: Path) -> tuple[dict[str, Any], str]:
    try:
        plain = json.loads(file.read_bytes())
    except OSError:
        return {}, f"the run's folder holds no {FILE}"
    except ValueError as error:
        return {}, f"{FILE} is damaged: {error}"
    return (plain, "") if isinstance(plain, dict) else ({}, f"{FILE} holds no mapping")


def _rows(plain: Mapping[str, Any]) -> Rows:
    return tuple((one_line(str(name)), _text(value)) for name, value in sorted(plain.items()))


def _text(value: object) -> str:
    if value is None or value in ("", []):
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(part, dict | list) for part in value):
        return one_line(", ".join(_text(part) for part in value))
    if isinstance(value, dict | list):
        return one_line(json.dumps(value, sort_keys=True, ensure_ascii=False))
    return one_line(str(value))
