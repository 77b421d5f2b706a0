from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fake_common import misbehave, note

from harness.stages.contract import Outcome


def run(job, report):  # type: ignore[no-untyped-def]
    report.stage("export")
    note(job)
    print("the noise of a library")
    kind = job.options["export"].get("kind", "good")
    misbehave(kind, Path(job.out))
    (Path(job.out) / "model.tflite").write_text("other" if kind == "other" else "the same")
    (Path(job.out) / "artifact.json").write_text(json.dumps({"file": "model.tflite", "format": "tflite"}))
    return Outcome(values={"size_bytes": 100, "artifact_sha256": "0" * 64})
