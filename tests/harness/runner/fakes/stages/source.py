from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fake_common import note

from harness.stages.contract import Outcome


def run(job, report):  # type: ignore[no-untyped-def]
    report.stage("source")
    note(job)
    info = {"input": {"name": "image", "shape": [1, 8, 8, 3]}}
    (Path(job.out) / "source.json").write_text(json.dumps(info))
    return Outcome(values={"weights_bytes": 1000, "parameters": 250})
