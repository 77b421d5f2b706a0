"""From the facts that jobs found to one record a cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from harness.plan import BASELINE, PlannedCell
from harness.records import RECORD_VERSION, Cell, Failure, JobResult, Record, Status, Value
from harness.runner.measure import Rounds
from harness.runner.pool import Done

LATENCY_COLUMNS = (
    "latency_min_ms",
    "latency_p50_ms",
    "latency_p90_ms",
    "clean_fraction",
    "load_ms",
    "first_ms",
)
ACCURACY_COLUMNS = ("top1", "top5", "agreement", "cosine", "sqnr_db", "max_abs_error")


@dataclass
class _Facts:
    """What has been gathered for a cell so far."""

    values: dict[str, Value] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def take(self, result: JobResult) -> None:
        self.values |= result.values
        self.missing |= result.missing
        self.details |= result.details
        self.seconds += result.seconds


@dataclass(frozen=True)
class Context:
    """What is the same for every record of a batch."""

    run: str
    fingerprint: str
    started_at: str
    done: Mapping[str, Done]
    rounds: Rounds
    source: str
    dataset: str


def record(planned: PlannedCell, key: str, reproduce: str, context: Context) -> tuple[Record, dict[str, Any]]:
    """Return the record of a cell and, apart, the raw samples of its rounds (for a file of their own)."""
    facts = _Facts()
    logs: dict[str, str] = {}
    failure = _refused(planned)
    done: list[tuple[str, Done]] = []
    if failure is None:
        nodes = {"dataset": context.dataset, "source": context.source,
                 "quantize": _quantize_id(planned.cell), "export": planned.export_node,
                 "evaluate": planned.evaluate_node}  # fmt: skip
        done = [(kind, context.done[node]) for kind, node in nodes.items() if node in context.done]
        failure = _gather(done, facts, logs)
    samples: dict[str, Any] = {}
    if failure is None:
        failure, samples = _latency(planned, context.rounds, facts)
    _explain_missing(facts, failure)
    artifact, sha = _artifact(context.done.get(planned.export_node))
    status: Status = failure.status if failure else "ok"
    made = Record(
        version=RECORD_VERSION, run=context.run, cell=planned.cell, key=key, status=status,
        stage=failure.stage if failure else "latency", failure=failure, options=planned.options,
        values=facts.values, missing=facts.missing, details=facts.details, artifact=artifact, artifact_sha256=sha,
        fingerprint=context.fingerprint, reproduce=reproduce, logs=logs, started_at=context.started_at,
        seconds=round(facts.seconds, 3),
    )  # fmt: skip
    return made, samples


def _refused(planned: PlannedCell) -> Failure | None:
    if planned.refusal is None:
        return None
    return Failure("unsupported", "quantize", planned.refusal.reason, "Unsupported", planned.refusal.text)


def _quantize_id(cell: Cell) -> str:
    return f"quantize/{cell.model}/{cell.quant}"


def _gather(done: Sequence[tuple[str, Done]], facts: _Facts, logs: dict[str, str]) -> Failure | None:
    for kind, one in done:
        if one.log:
            logs[kind] = one.log
        if one.failure is not None:
            return one.failure
        facts.take(one.result)
        if one.entry is not None:
            facts.details.setdefault("made_from", {})[kind] = _path(one.entry.path)
        if kind in ("quantize", "export") and one.result.peak_rss_bytes:
            name = "convert" if kind == "export" else kind
            facts.values[f"peak_rss_{name}_bytes"] = one.result.peak_rss_bytes
        if kind == "source" and one.entry is not None:
            info = json.loads((one.entry.path / "source.json").read_text())
            facts.values["input_shape"] = "x".join(str(n) for n in info["input"]["shape"][1:])
    return None


def _latency(planned: PlannedCell, rounds: Rounds, facts: _Facts) -> tuple[Failure | None, dict[str, Any]]:
    """Add the columns of latency and its ratios; a failed round is the failure of the cell."""
    from harness.metrics import latency

    own = rounds.get(planned.cell.id, [])
    broken = next((r.failure for r in own if r.failure is not None), None)
    if broken is not None or not own:
        nothing = Failure("failed", "latency", "no_round", "RuntimeError", "no round of latency was measured")
        return broken or nothing, {}
    details = [r.details for r in own]
    values, missing = latency.summarize(details)
    facts.values |= own[0].values | values
    facts.missing |= {k: v for k, v in missing.items() if k not in values}
    facts.values["peak_rss_run_bytes"] = max(r.peak_rss_bytes for r in own)
    facts.seconds += sum(r.seconds for r in own)
    _ratios(planned.cell, rounds, facts)
    if values.get("noisy"):
        text = f"only {float(values['clean_fraction'] or 0):.0%} of the samples ran undisturbed"
        return Failure("noisy", "latency", "noisy", "Noisy", text), {"rounds": details}
    return None, {"rounds": details}


def _ratios(cell: Cell, rounds: Rounds, facts: _Facts) -> None:
    """Paired speed-ups: against plain CPU kernels, and against the float model on the same runtime."""
    from harness.metrics import latency

    partners = {
        "speedup_vs_cpu": replace(cell, runtime="cpu"),
        "speedup_vs_float": replace(cell, quant=BASELINE),
    }
    for column, partner in partners.items():
        other = rounds.get(partner.id, [])
        if partner == cell or not other or any(r.failure for r in other):
            continue
        own, others = _by_round(rounds[cell.id]), _by_round(other)
        both = sorted(own.keys() & others.keys())  # a noisy cell is measured once more, with some of the others
        if not both:
            continue
        batches = {one.get("batch", 1) for one in (own[both[0]], others[both[0]])}
        if len(batches) > 1:
            facts.missing[column] = f"not of as many images an invoke: {' and '.join(map(str, sorted(batches)))}"
            continue
        ratio = latency.paired_ratio([others[n] for n in both], [own[n] for n in both])
        facts.values |= dict(zip((column, f"{column}_ci_low", f"{column}_ci_high"), ratio, strict=True))


def _by_round(results: Sequence[JobResult]) -> dict[int, dict[str, Any]]:
    """Return number of a round → what was measured in it."""
    return {int(result.details["round"]): result.details for result in results}


def _explain_missing(facts: _Facts, failure: Failure | None) -> None:
    """Every column without a value says why."""
    for column in (*ACCURACY_COLUMNS, *LATENCY_COLUMNS, "size_bytes"):
        if column not in facts.values and failure is not None:
            facts.missing.setdefault(column, f"{failure.status} at {failure.stage}: {failure.reason}")


def _artifact(done: Done | None) -> tuple[str | None, str | None]:
    if done is None or done.entry is None or done.failure is not None:
        return None, None
    about = json.loads((done.entry.path / "artifact.json").read_text())
    sha = done.result.values.get("artifact_sha256")
    return _path(done.entry.path / about["file"]), cast(str | None, sha)


def _path(path: Path) -> str:
    """Return a path as a record has it: relative when it is below the working directory, else absolute."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
