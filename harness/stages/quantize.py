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
    source = Source(Path(job.inputs["source"]), Path(job.inputs["dataset"]))
    out = Path(job.out)
    recipe = module.quantize(source, plugins.options(module, options), out)
    (out / "quantized.json").write_text(json.dumps(recipe | {"method": options["method"]}, indent=1))
    return Outcome(details={"recipe": recipe})
