from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fake_common import note

from harness.stages.contract import Outcome

NS = {"cpu": 4_000_000, "xnnpack": 1_000_000}


def run(job, report):  # type: ignore[no-untyped-def]
    report.stage("latency")
    note(job)
    each = NS["xnnpack" if job.options["runtime"].get("delegate") == "xnnpack" else "cpu"]
    wall = [each] * 300
    details = {"wall_ns": wall, "cpu_ns": wall, "warmup_ns": wall[:5], "load_ms": 1.0, "first_ms": 2.0,
               "round": job.options["round"]}  # fmt: skip
    return Outcome(values={"load_ms": 1.0, "first_ms": 2.0}, details=details)
