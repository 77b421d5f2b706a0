"""No tracker: records and reports are all there is."""

from __future__ import annotations

from dataclasses import dataclass

from harness.trackers.contract import Tracked


@dataclass
class Options:
    """Nothing to set."""


def ready(options: Options) -> None:
    """It always is."""


def track(run: Tracked, options: Options) -> str:  # noqa: ARG001 - the contract of a tracker
    """Send nothing."""
    return ""
