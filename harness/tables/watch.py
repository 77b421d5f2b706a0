"""What a history of many runs calls out: the section ``history`` of a file of ``conf/verdict``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Watch:
    """When the newest run of a series stands out from those before it, and what else is said of the series.

    Sizes, shares and accuracy move by the rules of ``compare``; these are for latency, which is never twice the same.
    """

    window: int = field(default=14, metadata={"min": 3, "max": 1000})
    """Runs before, the median of which a run is held against."""
    fewest: int = field(default=5, metadata={"min": 3, "max": 1000})
    """Runs before that it takes to judge a latency at all."""
    latency: float = field(default=0.05, metadata={"min": 0.0})
    """Share above that median from which a run stands out …"""
    spreads: float = field(default=2.3, metadata={"min": 0.0})
    """… or so many robust standard deviations, where these are more, …"""
    spread_window: int = field(default=42, metadata={"min": 3, "max": 1000})
    """… estimated from so many runs before: a spread needs more of them than a median does."""
    in_a_row: int = field(default=2, metadata={"min": 1, "max": 10})
    """Runs that must stand out one after another, where the processes of the newest alone do not all say so."""
    change: float = field(default=0.03, metadata={"min": 0.0})
    """Smallest step between two levels that is a change point, share."""
    change_runs: int = field(default=4, metadata={"min": 2, "max": 1000})
    """Runs that a level has at least."""
    drift: float = field(default=0.05, metadata={"min": 0.0})
    """Smallest change from one end of the window of drift to the other, share."""
    drift_window: int = field(default=30, metadata={"min": 8, "max": 1000})
    """Runs that a trend is looked for in, and that it takes."""
    drift_significance: float = field(default=0.001, metadata={"min": 0.0, "max": 1.0})
    """p of the trend test (Mann–Kendall) below which it counts."""
    night_hours: float = field(default=12.0, metadata={"min": 0.0})
    """Runs that ended so long before the newest one are part of the same night."""
    stale_days: float = field(default=2.0, metadata={"min": 0.0})
    """Age of the newest run from which it is said."""
