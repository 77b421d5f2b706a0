"""Records to judged rows: ``load`` for scripts and notebooks, ``judge`` for gates and reports.

A record holds facts; what they are worth is decided here, from ``conf/verdict/``: judging anew needs no run.
"""

from harness.tables.frame import COLUMNS, load
from harness.tables.read import Reading, read
from harness.tables.verdict import Judged, Thresholds, Verdict, judge, judge_all, thresholds

__all__ = [
    "COLUMNS",
    "Judged",
    "Reading",
    "Thresholds",
    "Verdict",
    "judge",
    "judge_all",
    "load",
    "read",
    "thresholds",
]
