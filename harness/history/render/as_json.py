"""A history as JSON, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from harness.history.chronicle import Chronicle
from harness.history.latency import Seen
from harness.history.render.words import headline

VERSION = 1
"""Of this format; it grows by keys only."""


def text(history: Chronicle, now: datetime) -> str:
    """Return one JSON object: findings, remarks, and every series with what was found in it."""
    content = {
        "version": VERSION,
        "regression": bool(history.code),
        "headline": headline(history),
        "runs": list(history.runs.runs),
        "newest": history.newest,
        "old": history.freshness(now),
        "findings": [asdict(one) for one in history.findings],
        "remarks": list(history.remarks),
        "cells": [
            {
                "cell": track.label,
                "live": track.live,
                "runs": [
                    {"run": r.run, "at": r.started_at, "status": r.status, "size_bytes": r.values.get("size_bytes"),
                     "top1": r.values.get("top1")}
                    for r in track.records
                ],
            }
            for track in history.tracks
        ],
        "latency": [_series(one) for one in history.seen],
        "thresholds": {"history": asdict(history.thresholds.history), "compare": asdict(history.thresholds.compare)},
    }  # fmt: skip
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _series(one: Seen) -> dict[str, Any]:
    return {
        "cell": one.series.label,
        "fingerprint": one.series.fingerprint,
        "live": one.series.live,
        "points": [
            {"run": p.run, "at": p.at, "ms": p.value, "low_ms": p.low, "high_ms": p.high} for p in one.series.points
        ],
        "standing": asdict(one.standing) if one.standing else None,
        "changes": [
            {"run": one.series.points[c.index].run, "before_ms": c.before, "after_ms": c.after, "ratio": c.ratio}
            for c in one.changes
        ],
        "drift": asdict(one.drift) if one.drift else None,
    }
