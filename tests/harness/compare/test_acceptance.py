"""Two nights made of the published records: equal ones pass; what is planted in the second is found, and nothing else.

What is published holds no samples: those of a cell are made from its median. Their noise is less than on a shared
machine: how often noise alone alarms is another question, and one of simulation.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import cli
from harness.codec import encode, encode_record
from harness.records import Failure, Record
from harness.tables import read
from tests.harness.compare.conftest import a_round

REFERENCE = min((Path(__file__).resolve().parents[3] / "results" / "reference").glob("digits*"))
"""A published run with labels."""
PROCESSES = 3
NOISE = 0.01
"""Spread (CV) from process to process."""
Change = Callable[[Record, Path], Record]


def _measured() -> list[Record]:
    """Return the published cells that went all the way and have predictions, at most forty."""
    records = read(REFERENCE).records
    whole = (r for r in records if r.status == "ok" and "predictions" in r.details.get("files", {}))
    found = [r for r in whole if r.values.get("top1") is not None and r.values.get("latency_p50_ms") is not None]
    return found[:40]


def _night(folder: Path, records: Iterable[Record], seed: int, changes: dict[str, Change] | None = None) -> Path:
    """Write a run of these cells, measured again, in three processes each."""
    noise = np.random.default_rng(seed)
    kept = []
    for record in records:
        name = record.cell.id.replace("/", "__")
        predictions = folder / record.details["files"]["predictions"]
        predictions.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REFERENCE / record.details["files"]["predictions"], predictions)
        files = {"predictions": str(predictions.relative_to(folder)), "samples": f"samples/{name}.json"}
        fresh = replace(
            record, run=folder.name, details={"files": files}, started_at=f"2026-11-{seed + 1:02d}T02:00:00Z"
        )
        middle = float(record.values["latency_p50_ms"] or 0)
        fresh = _timed(fresh, folder, middle * np.exp(noise.normal(0, NOISE, PROCESSES)))
        kept.append((changes or {}).get(record.cell.id, lambda one, _: one)(fresh, folder))
    (folder / "records.jsonl").write_bytes(b"".join(encode_record(one) + b"\n" for one in kept))
    return folder


def _timed(record: Record, folder: Path, medians_ms: Any) -> Record:
    from harness.metrics.latency import summarize

    rounds = [a_round(float(ms)) for ms in medians_ms]
    path = folder / record.details["files"]["samples"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode({"rounds": rounds}))
    return replace(record, values=record.values | summarize(rounds)[0])


def _slower(record: Record, folder: Path) -> Record:
    rounds = json.loads((folder / record.details["files"]["samples"]).read_text())["rounds"]
    return _timed(record, folder, [1.25 * one["wall_ns"][0] / 1e6 for one in rounds])


def _less_accurate(record: Record, folder: Path) -> Record:
    """Make thirty images wrong that were right."""
    path = folder / record.details["files"]["predictions"]
    with np.load(path) as stored:
        arrays = dict(stored)
    right = np.flatnonzero(arrays["classes"][:, 0] == arrays["labels"])[:30]
    arrays["classes"][right, 0] = (arrays["labels"][right] + 1) % 10
    np.savez(path, **arrays)
    top1 = float((arrays["classes"][:, 0] == arrays["labels"]).mean())
    return replace(record, values=record.values | {"top1": top1})


def _not_exported(record: Record, _: Path) -> Record:
    failure = Failure("failed", "export", "converter_error", "ConverterError", "failed to legalize operation 'tf.Roll'")
    return replace(record, status="failed", stage="export", failure=failure, values={}, artifact=None)


PLANTED: dict[str, tuple[Change, str, str]] = {
    "slow_down": (_slower, "latency", "latency_p50_ms"),
    "accuracy_drop": (_less_accurate, "accuracy", "top1"),
    "export_failure": (_not_exported, "status", "new_failure"),
}


def _compared(base: Path, cand: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]], str]:
    out = cand / "compare.json"
    code = cli.main(["compare", str(base), str(cand), "--json", str(out)])
    findings = json.loads(out.read_text())["findings"]
    return code, [one for one in findings if one["grade"] == "regression"], capsys.readouterr().out


@pytest.fixture(scope="module")
def cells() -> list[Record]:
    found = _measured()
    assert len(found) >= len(PLANTED)
    return found


@pytest.fixture
def base(cells: list[Record], tmp_path: Path) -> Path:
    """Return the first night."""
    return _night(tmp_path / "night0", cells, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equal_nights_are_no_regression(
    cells: list[Record], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    code, bad, _ = _compared(base, _night(tmp_path / "night", cells, seed), capsys)
    assert (code, bad) == (0, [])


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_named_and_nothing_else(
    cells: list[Record], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], planted: str
) -> None:
    change, section, kind = PLANTED[planted]
    here = cells[len(cells) // 2].cell.id
    code, bad, out = _compared(base, _night(tmp_path / "night", cells, 1, {here: change}), capsys)
    assert code == 1
    assert [(one["section"], one["kind"], one["cell"].rpartition(": ")[2]) for one in bad] == [(section, kind, here)]
    assert f"✗ {bad[0]['cell']}" in out


def test_all_three_in_one_night_are_three_lines(
    cells: list[Record], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {record.cell.id: change for record, (change, *_) in zip(cells, PLANTED.values(), strict=False)}
    code, bad, out = _compared(base, _night(tmp_path / "night", cells, 2, changes), capsys)
    assert code == 1
    assert [one["kind"] for one in bad] == ["new_failure", "top1", "latency_p50_ms"]
    assert "3 regressions" in out.splitlines()[-1]
