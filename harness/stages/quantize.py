"""quantize: the float source and a method's options to a recipe, and for some methods a new SavedModel."""

from __future__ import annotations

import json
from pathlib import Path

from harness import plugins
from harness.quantizers.contract import Source
from harness.records import Job
from harness.stages.contract import Outcome, Reporter


def run(job: Job, report: Reporter) -> Outcome:
    """Write ``quantized.json`` into ``job.out``."""
    report.stage("quantize")
    options = job.options["quant"]
    module = plugins.load("quantizers", options["method"], job.options.get("plugins_dir"))
    kept = job.options.get("kept")
    before = job.inputs.get("before")
    source = Source(
        folder=Path(job.inputs["source"]),
        dataset=Path(job.inputs["dataset"]),
        progress=report.progress,
        kept=Path(kept) if kept else None,
        before=Path(before) if before else None,
    )
    out = Path(job.out)
    recipe = module.quantize(source, plugins.options(module, options), out)
    facts, notes = recipe.pop("facts", {}), recipe.pop("notes", {})
    (out / "quantized.json").write_text(json.dumps(recipe | {"method": options["method"]}, indent=1))
    return Outcome(values=facts, details={"recipe": recipe, **({"quantize": notes} if notes else {})})
