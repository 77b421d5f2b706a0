"""A comparison as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from harness.compare.comparison import Comparison
from harness.compare.render.words import headline

VERSION = 1
"""Of this format; it grows by keys only."""


def text(comparison: Comparison) -> str:
    """Return one JSON object: sides, findings, remarks, every compared latency."""
    content = {
        "version": VERSION,
        "regression": bool(comparison.code),
        "headline": headline(comparison),
        "base": list(comparison.base.runs),
        "candidate": list(comparison.cand.runs),
        "cells": [pair.cell for pair in comparison.pairs],
        "findings": [asdict(one) for one in comparison.findings],
        "remarks": list(comparison.remarks),
        "latency": [
            {"cell": s.cell, "base_ms": s.base.p50_ms, "cand_ms": s.cand.p50_ms, "ratio": s.ratio,
             "base_medians_ms": s.base.medians_ms, "cand_medians_ms": s.cand.medians_ms, "adjusted_p": s.adjusted_p}
            for s in comparison.steps
        ],
        "thresholds": asdict(comparison.limits),
    }  # fmt: skip
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
