"""A finished run goes to the tracker that was chosen; a tracker that fails costs one line, never the sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import plugins
from harness.config import RunConfig
from harness.records import Record


def ready(config: RunConfig) -> None:
    """Raise ``UserError`` when the chosen tracker cannot work here: told before anything runs."""
    module = plugins.load("trackers", config.tracker["method"], config.plugins_dir)
    module.ready(plugins.options(module, config.tracker, "tracker"))


def track(config: RunConfig, folder: Path, records: Sequence[Record], verdict: Mapping[str, Any]) -> str:
    """Send a run to the tracker; return a line on what came of it, empty when there is nothing to say."""
    from harness.tables import judge_all
    from harness.trackers.contract import Tracked

    method = config.tracker["method"]
    module = plugins.load("trackers", method, config.plugins_dir)
    latest = {record.cell.id: record for record in records}
    run = Tracked(folder, tuple(judge_all(latest.values(), verdict)))
    try:
        where = module.track(run, plugins.options(module, config.tracker, "tracker"))
    except Exception as error:  # a server, a network, a library: whatever it is, the records are safe
        text = " ".join(str(error).split())[:300]
        return (f"warning: tracker {method} failed ({type(error).__name__}: {text}); the records in {folder} are safe, "
                f"the same command with run_id={folder.name} sends them again")  # fmt: skip
    return f"tracked: {where}" if where else ""
