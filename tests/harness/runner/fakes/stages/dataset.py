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
    (Path(job.out) / "dataset.json").write_text(json.dumps({"labelled": False}))
    return Outcome(values={"eval_images": 3})
