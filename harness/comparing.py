"""The command compare: it holds runs against each other."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli import parser
from harness.errors import UserError
from harness.files import write_atomic

if TYPE_CHECKING:
    from harness.compare.comparison import Comparison
    from harness.compare.pairing import Side
    from harness.tables.regression import Regression


def compare_command(args: list[str]) -> int:
    """Print what got worse between two runs; exit code 1 when something did."""
    from harness import known_issues
    from harness.compare.comparison import Ask, compared
    from harness.compare.confirm import confirmed
    from harness.compare.pairing import side
    from harness.compare.render import terminal

    given = _compare_words().parse_args(args)
    for path in (given.markdown, given.json, given.junit):
        if path is not None:
            check_writable(path)
    base, cand = side("base", given.base), side("candidate", given.cand)
    known = known_issues.load(given.known)
    ask = Ask(limits(cand, given.set, given.verdict), given.across, given.subset, known)
    found = compared(base, cand, ask)
    if given.confirm:
        found = confirmed(found, given.plugins_dir, tell=lambda text: print(text, file=sys.stderr, flush=True))
    terminal.show(found)
    _write(found, given)
    return found.code


def _compare_words() -> ArgumentParser:
    words = parser("compare")
    words.add_argument("base", help="folder of a run, its records.jsonl, or a quoted glob of several")
    words.add_argument("cand", help="the same, for what is to be judged")
    across = words.add_mutually_exclusive_group()
    for name, what in (
        ("versions", "compare latencies measured with other versions of packages too, on the same machine"),
        ("machines", "compare latencies of different machines too"),
    ):
        across.add_argument(
            f"--across-{name}", action="store_const", const=name, dest="across", default="nothing", help=what
        )
    words.add_argument("--subset", action="store_true", help="the candidate has fewer cells on purpose")
    words.add_argument("--confirm", action="store_true", help="measure suspected slow-downs again before they count")
    words.add_argument("--plugins-dir", metavar="DIR", help="--confirm: where runtimes of your own are")
    words.add_argument("--known", type=Path, metavar="FILE", help="expected failures; default: conf/known_issues.yaml")
    words.add_argument("--verdict", help="thresholds: a file of conf/verdict; default: those the candidate ran with")
    words.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a threshold, as latency=0.1")
    words.add_argument("--markdown", type=Path, metavar="FILE", help="also write a page for a CI summary")
    words.add_argument("--json", type=Path, metavar="FILE", help="also write everything, cell by cell, as JSON")
    words.add_argument("--junit", type=Path, metavar="FILE", help="also write JUnit XML")
    return words


def _write(found: Comparison, given: Namespace) -> None:
    from harness.compare.render import as_json, junit, markdown

    for path, render in ((given.markdown, markdown.page), (given.json, as_json.text), (given.junit, junit.text)):
        if path is not None:
            write_text(path, render(found))


def check_writable(path: Path) -> None:
    """Find out before the work whether a file can be written. Raises ``UserError``."""
    try:
        folder = next((one for one in path.absolute().parents if one.exists()), path)
        good = not path.is_dir() and folder.is_dir() and os.access(folder, os.W_OK)
    except OSError:  # such as a name that is too long
        good = False
    if not good:
        raise UserError(f"{path}: cannot be written; allowed: a file in a writable folder")


def write_text(path: Path, content: str) -> None:
    """Write a file that was asked for. Raises ``UserError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content.encode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; allowed: a file in a writable folder") from error


def limits(cand: Side, settings: list[str], verdict: str | None = None) -> Regression:
    """Return the thresholds: those of a named verdict, else those that the candidate was composed with; then changed.

    Raises ``UserError`` for an unknown verdict, key, or a value that is not possible.
    """
    from harness.tables import thresholds
    from harness.tables.regression import Regression
    from harness.validate import validated

    made = thresholds(verdict or _composed_with(cand)).compare
    plain: dict[str, Any] = asdict(made)
    for setting in settings:
        set_key(plain, setting)
    return validated(plain, Regression, "compare", lambda _: " (--set)" if settings else "")


def _composed_with(cand: Side) -> str | dict[str, Any]:
    """Return the verdict of the candidate's newest run; older runs, which have no thresholds to compare, get ours."""
    from harness.compare.pairing import run_config

    verdict = run_config(cand, cand.runs[-1]).get("verdict")
    return verdict if isinstance(verdict, dict) and "compare" in verdict else "default"


def set_key(plain: dict[str, Any], setting: str) -> None:
    """Put ``KEY=VALUE`` into a tree; an unknown key is for ``validated`` to complain about."""
    import yaml

    key, mark, value = setting.partition("=")
    *path, last = key.split(".")
    if not mark or not last:
        raise UserError(f"--set {setting}: expected KEY=VALUE, as latency=0.1 or artifacts.size_bytes.relative=0.05")
    for part in path:
        plain = plain.setdefault(part, {})
        if not isinstance(plain, dict):
            raise UserError(f"--set {setting}: '{part}' is one value and has nothing below it")
    try:
        plain[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {setting}: {' '.join(str(error).split())}") from error
