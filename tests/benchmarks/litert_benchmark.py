"""Our latency against that of ``litert-benchmark``, alternating, on .tflite files: XNNPACK, one thread.

    python tests/benchmarks/litert_benchmark.py model.tflite …

Both run in fresh processes on the same processor, with equally many warm-ups and runs, in random order.
``litert-benchmark`` calls LiteRT's ``CompiledModel``, we call its ``Interpreter``: two ways to the same kernels.
By LiteRT's own profiler the former registers and synchronizes buffers at every run, about 0.04 ms (2 cores with
AVX512-VNNI), which is 1.3 % of the 3.3 ms of MobileNetV2 in int8 and nothing on slower models.

Judged is the ratio of clean medians: runs whose wall time is at most 1.03 × their CPU time. The program reports
the median of all its runs only, so its ``main`` is started with a clock that also notes the CPU time at each of
its readings; nothing else is changed. The ratio of the plain medians, as both report them, is printed beside; on
a machine that others use it says more about them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
BOUNDS = (0.98, 1.02)
Times = dict[str, Any]
"""Raw times of one process, as ``harness.metrics.latency`` takes them."""


def main() -> int:
    """Compare; exit code 1 when the overall ratio is out of bounds, or the machine too busy to tell."""
    options = _parse()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options.models[0], options.warmup, options.runs)))
        return 0
    cpu = options.cpu if options.cpu is not None else max(os.sched_getaffinity(0))
    ratios = [_compare(model, cpu, options.rounds, options.seconds) for model in options.models]
    told = [ratio for ratio in ratios if ratio is not None]
    if len(told) < len(ratios):
        print(f"{len(ratios) - len(told)} of {len(ratios)} files cannot be told on so busy a machine: no verdict")
        return 1
    overall = statistics.geometric_mean(told)
    good = BOUNDS[0] <= overall <= BOUNDS[1]
    print(f"overall ours ÷ litert-benchmark: {overall:.4f} ({'within' if good else 'OUT OF'} {BOUNDS[0]}–{BOUNDS[1]})")
    return 0 if good else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="timed in each process, roughly")
    parser.add_argument("--cpu", type=int, help="processor to run on; default: the last")
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--warmup", type=int, default=5, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=10, help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(model: Path, cpu: int, rounds: int, seconds: float) -> float | None:
    """Print a line for each round; return ours ÷ theirs of the medians of clean medians, or None; see ``_judge``."""
    guess_ms = statistics.median(_start("ours", model, cpu, 5, 10)["wall_ns"]) / 1e6
    warmup, runs = max(5, round(500 / guess_ms)), min(2000, max(64, round(1000 * seconds / guess_ms)))
    print(f"{model}: {warmup} warm-ups, {runs} runs, processor {cpu}")
    found: dict[str, list[Times]] = {"ours": [], "theirs": []}
    for number in range(rounds):
        for name in random.sample(sorted(found), 2):
            found[name].append(_start(name, model, cpu, warmup, runs))
        shown = "   ".join(f"{name} {_show(one[-1:])}" for name, one in found.items())
        print(f"  {number + 1}: {shown}", flush=True)
    return _judge(found)


def _show(rounds: list[Times]) -> str:
    one = _numbers(rounds)
    return f"{one['clean']:.3f} ms clean ({one['share']:.0%}), {one['plain']:.3f} plain, {one['min']:.3f} min"


def _numbers(rounds: list[Times]) -> dict[str, float]:
    """Return figures in ms; ``clean`` is the figure that the harness publishes."""
    from harness.metrics.latency import summarize

    values, _ = summarize(rounds)
    return {
        "clean": float(values["latency_p50_ms"] or 0),
        "share": float(values["clean_fraction"] or 0),
        "plain": statistics.median(statistics.median(one["wall_ns"]) for one in rounds) / 1e6,
        "min": min(min(one["wall_ns"]) for one in rounds) / 1e6,
    }


def _judge(found: dict[str, list[Times]]) -> float | None:
    """Print and return the ratio; None when less than half of the runs were clean."""
    from harness.metrics.latency import paired_ratio

    ours, theirs = _numbers(found["ours"]), _numbers(found["theirs"])
    _, low, high = paired_ratio(found["ours"], found["theirs"])
    shown = ", ".join(f"{key} {ours[key] / theirs[key]:.4f}" for key in ("clean", "plain", "min"))
    spread = "" if low is None or high is None else f"; of pairs {low:.3f}–{high:.3f}"
    busy = min(ours["share"], theirs["share"]) < 0.5
    print(f"  ours ÷ theirs: {shown}{spread}{' – too busy a machine to tell' if busy else ''}", flush=True)
    return None if busy else ours["clean"] / theirs["clean"]


def _start(name: str, model: Path, cpu: int, warmup: int, runs: int) -> Times:
    """Run one side in a fresh process on one processor. Raises ``CalledProcessError``."""
    command = [sys.executable, __file__, str(model), "--child", name, "--warmup", str(warmup), "--runs", str(runs)]
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    found: Times = json.loads(done.stdout.splitlines()[-1])
    return found


def _ours(model: Path, warmup: int, runs: int) -> Times:
    """Measure with the loop of the stage ``latency``, on random pixels in -1…1."""
    import numpy as np

    from harness.metrics.latency import Effort
    from harness.runtimes import litert
    from harness.stages import latency

    session = litert.open_session(model, litert.Options(delegate="xnnpack"), 1)
    pixels = np.random.default_rng(0).uniform(-1, 1, session.inputs[0].shape)
    session.prepare(pixels.astype(np.float32))
    effort = Effort(runs, 0.0, runs, 1e9, warmup, 0.0, 1e9)
    found = latency.measure(session, effort, 1, sorted(os.sched_getaffinity(0)))
    return {"wall_ns": found["wall_ns"], "cpu_ns": found["cpu_ns"], "load_ms": 0.0, "first_ms": found["first_ms"]}


def _theirs(model: Path, warmup: int, runs: int) -> Times:
    """Run ``litert-benchmark`` with a clock that notes the CPU time too; check that both see the same median."""
    from ai_edge_litert.tools import benchmark_litert_model as tool

    noted: list[tuple[int, int]] = []

    def perf_counter() -> float:
        noted.append((time.perf_counter_ns(), time.process_time_ns()))
        return noted[-1][0] / 1e9

    tool.time = types.SimpleNamespace(perf_counter=perf_counter)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        arguments = [f"--model={model}", f"--result_json={result}", f"--num_runs={runs}", f"--warmup_runs={warmup}"]
        sys.argv = ["litert-benchmark", *arguments, "--num_threads=1"]
        tool.main()
        reported = json.loads(result.read_text())["latency"]["median_ms"]
    pairs = list(zip(noted[-2 * runs :: 2], noted[-2 * runs + 1 :: 2], strict=True))
    wall_ns, cpu_ns = ([end[clock] - start[clock] for start, end in pairs] for clock in (0, 1))
    if abs(statistics.median(wall_ns) / 1e6 - reported) > 0.006:  # it rounds to 0.01 ms
        raise RuntimeError(f"litert-benchmark reports {reported} ms, its clock shows {statistics.median(wall_ns)} ns")
    return {"wall_ns": wall_ns, "cpu_ns": cpu_ns, "load_ms": 0.0, "first_ms": 0.0}


CHILDREN = {"ours": _ours, "theirs": _theirs}

if __name__ == "__main__":
    sys.exit(main())
