"""Stage ``profile``: the time of every operator of an artifact in a runtime, by the runtime's own profiler."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from harness.errors import Unsupported
from harness.insight import litert_profile, onnx_profile, profiles
from harness.records import Job
from harness.stages import conditions, opening
from harness.stages.contract import Outcome, Reporter

WARM_UP = 5


def run(job: Job, report: Reporter) -> Outcome:
    """Write ``profile.json``: a list of ``profiles.OpTime``.

    Options: ``runtime``, ``threads``, ``runs``. Inputs: ``artifact`` (folder of an export).

    Raises:
        Unsupported: ``no_profile``, where the runtime has no profiler that can be reached.
    """
    report.stage("latency")
    options, folder = job.options, Path(job.inputs["artifact"])
    runtime, threads, runs = options["runtime"], int(options["threads"]), int(options["runs"])
    path = folder / opening.read_json(folder / "artifact.json")["file"]
    conditions.pin(threads)
    if runtime["method"] == "litert":
        events = litert_profile.profile(path, runtime.get("delegate", "none"), threads, runs, WARM_UP)
    elif runtime["method"] == "onnxruntime":
        events = onnx_profile.profile(path, threads, runs, WARM_UP, exact=runtime.get("int8_sums") != "saturating")
    else:
        raise Unsupported(f"the runtime {runtime['method']} has no profiler here", "no_profile")
    rows = profiles.summarize(events)
    (Path(job.out) / "profile.json").write_text(json.dumps([asdict(row) for row in rows]))
    return Outcome({"operators": len(rows), "runs": runs})
