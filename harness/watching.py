"""The command history: it looks at many runs at once."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import parser
from harness.comparing import set_key, write_text

if TYPE_CHECKING:
    from harness.compare.pairing import Side
    from harness.tables import Thresholds

PAGE = Path("reports/history/index.html")


def history_command(args: list[str]) -> int:
    """Print what stands out in the newest of many runs, write the page; exit code 1 when something got worse."""
    from harness import known_issues
    from harness.history.chronicle import told
    from harness.history.confirm import confirmed
    from harness.history.render import as_json, markdown, page, terminal
    from harness.history.tracks import gathered

    given = _words().parse_args(args)
    runs = gathered(given.run or ["results"])
    found = told(runs, _limits(runs, given.verdict, given.set), known_issues.load(given.known))
    if given.confirm:
        found = confirmed(found, given.plugins_dir, tell=lambda text: print(text, file=sys.stderr, flush=True))
    now = datetime.now(UTC)
    terminal.show(found, now)
    if given.json is not None:
        write_text(given.json, as_json.text(found, now))
    if given.markdown is not None:
        write_text(given.markdown, markdown.page(found, now))
    write_text(given.page, page.page(found, now))
    print(f"page: {given.page}")
    return found.code


def _words() -> ArgumentParser:
    words = parser("history")
    words.add_argument("run", nargs="*", help="folder of a run, a folder of runs, or a quoted glob; default: results")
    words.add_argument("--verdict", help="thresholds: a file of conf/verdict; default: those the newest run ran with")
    words.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a threshold, as latency=0.1")
    words.add_argument("--known", type=Path, metavar="FILE", help="expected failures; default: conf/known_issues.yaml")
    words.add_argument(
        "--confirm", action="store_true", help="measure what stands out as slower again before it counts"
    )
    words.add_argument("--plugins-dir", metavar="DIR", help="--confirm: where runtimes of your own are")
    words.add_argument("--markdown", type=Path, metavar="FILE", help="also write what stands out for a CI summary")
    words.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    words.add_argument("--page", type=Path, metavar="FILE", default=PAGE, help=f"where the page goes; default: {PAGE}")
    return words


def _limits(runs: Side, verdict: str | None, settings: list[str]) -> Thresholds:
    """Return the thresholds: of a named verdict, else of the newest run; those of the history then changed.

    Raises ``UserError`` for an unknown verdict, key, or a value that is not possible.
    """
    from harness.tables import thresholds
    from harness.tables.watch import Watch
    from harness.validate import validated

    made = thresholds(verdict or _composed_with(runs))
    plain: dict[str, Any] = asdict(made.history)
    for setting in settings:
        set_key(plain, setting)
    return replace(made, history=validated(plain, Watch, "history", lambda _: " (--set)" if settings else ""))


def _composed_with(runs: Side) -> str | dict[str, Any]:
    """Return the verdict of the newest run; older runs, which have no thresholds for a history, get ours."""
    from harness.compare.pairing import run_config

    verdict = run_config(runs, runs.runs[-1]).get("verdict")
    return verdict if isinstance(verdict, dict) and "history" in verdict else "default"
