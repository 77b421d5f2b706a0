"""The command export-benchmark: a run as a file that pytest-benchmark compares and plots."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.cli import parser
from harness.comparing import write_text
from harness.errors import UserError


def export_benchmark_command(args: list[str]) -> int:
    """Write one run as pytest-benchmark's JSON and print the path. Raises ``UserError``: no raw samples in it."""
    from harness.benchmark.document import document
    from harness.compare.pairing import side

    words = parser("export-benchmark")
    words.add_argument("run", help="folder of a run, or its name under results")
    words.add_argument("--out", type=Path, help="file to write; default: reports/<run>/benchmark.json")
    given = words.parse_args(args)
    run = side("run", given.run)
    if len(run.runs) > 1:
        raise UserError(f"{given.run}: {len(run.runs)} runs; allowed: one, as pytest-benchmark has a file for each")
    made = document(run)
    if not made.content["benchmarks"]:
        raise UserError(f"{given.run}: none of its {len(made.left_out)} cells has raw samples of latency; "
                        "allowed: a run with its folder samples")  # fmt: skip
    out = given.out or Path("reports") / run.runs[0] / "benchmark.json"
    write_text(out, json.dumps(made.content, ensure_ascii=False) + "\n")
    if made.left_out:
        print(f"left out, without raw samples: {len(made.left_out)} cells", file=sys.stderr)
    print(out)
    return 0
