"""ONNX Runtime's own profiler: a JSON trace with an event for each node of each run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness import processor
from harness.errors import Unsupported
from harness.insight.profiles import Event

ENDING = "_kernel_time"


def profile(path: Path, threads: int, runs: int, warm_up: int, *, exact: bool = True) -> list[Event]:
    """Return the events of ``runs`` inferences on zeros, after some that do not count; ``exact``: sums of int8.

    Raises:
        Unsupported: ``no_profile``, when this version writes no trace as expected.
    """
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 3
    settings.enable_profiling = True
    if exact:
        processor.ask_for_exact_sums(settings)
    with tempfile.TemporaryDirectory() as folder:
        settings.profile_file_prefix = str(Path(folder, "trace"))
        session = ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        kind: Any = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}[entry.type]
        zeros = np.zeros([size if isinstance(size, int) else 1 for size in entry.shape], kind)
        for _ in range(warm_up + runs):
            session.run(None, {entry.name: zeros})
        trace = json.loads(Path(session.end_profiling()).read_text())
    found = list(_events(trace, warm_up))
    if not found:
        raise Unsupported(f"ONNX Runtime {ort.__version__} wrote a trace without kernel times", "no_profile")
    return found


def _events(trace: list[dict[str, Any]], warm_up: int) -> Iterator[Event]:
    """Yield the kernel times of a trace; a run begins where a node comes that this run has had already."""
    run, seen = 0, set[str]()
    for one in trace:
        if one.get("cat") != "Node" or not str(one.get("name", "")).endswith(ENDING):
            continue
        name = str(one["name"]).removesuffix(ENDING)
        if name in seen:
            run, seen = run + 1, set()
        seen.add(name)
        facts = one.get("args", {})
        if run >= warm_up:
            provider = str(facts.get("provider", ""))
            yield Event(run - warm_up, len(seen) - 1, str(facts.get("op_name", "")), name, provider, float(one["dur"]))
