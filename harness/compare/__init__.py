"""Two runs held against each other: what got worse, in the order in which it matters.

Status first, then what the artifacts are, then accuracy, then latency: a cell that stopped has no latency to speak of.
"""

from harness.compare.comparison import Comparison, compare
from harness.compare.findings import Finding

__all__ = ["Comparison", "Finding", "compare"]
