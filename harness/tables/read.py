"""Run folders, records files and globs to records; what cannot be read is named, not passed over."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.codec import CodecError, decode_record
from harness.errors import UserError
from harness.records import Record
from harness.tables.order import record_key

RECORDS = "records.jsonl"
_log = logging.getLogger(__name__)
MOST_TOLD = 5
"""Damaged lines of a file that are told one by one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found at some paths."""

    records: tuple[Record, ...]
    """One for each (run, cell): the last one written; in the order of ``tables.order``."""
    problems: tuple[str, ...]
    """One line for each damaged line of a file, with file and line number."""
    sources: dict[str, Path]
    """Run → the folder that its records were read from."""


def read(*paths: str | Path) -> Reading:
    """Return the records at ``paths``: run folders, ``records.jsonl`` files, or globs of either.

    A torn or damaged line is skipped, logged as a warning and listed in ``problems``.
    Raises ``UserError`` when a path is no run or a glob matches nothing.
    """
    files = tuple(dict.fromkeys(found for path in paths for found in _files(path)))
    latest: dict[tuple[str, str, str], Record] = {}
    problems: list[str] = []
    sources: dict[str, Path] = {}
    for file in files:
        for record in _lines(file, problems):
            latest[record.run, record.cell.task, record.cell.id] = record
            sources[record.run] = file.parent
    return Reading(tuple(sorted(latest.values(), key=record_key)), tuple(problems), sources)


def _files(path: str | Path) -> Iterator[Path]:
    if Path(path).exists():
        found = [Path(path)]
    else:
        found = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
        found = [match for match in found if match.is_file() or (match / RECORDS).is_file()]
    if not found:
        raise UserError(f"{path}: no such run; allowed: a run's folder, its {RECORDS}, or a glob such as 'results/*'")
    for match in found:
        file = match / RECORDS if match.is_dir() else match
        if not file.is_file():
            raise UserError(f"{match}: not a run's folder, it holds no {RECORDS}; a glob such as '{match}/*' may help")
        yield file.resolve()


def _lines(file: Path, problems: list[str]) -> Iterator[Record]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    found: list[str] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield decode_record(line)
        except CodecError as error:
            problem = f"{file.parent.name}/{file.name}, line {number}: {error}; the line is skipped"
            found.append(problem)
            problems.append(problem)
    for problem in found[:MOST_TOLD]:
        _log.warning("%s", problem)
    if len(found) > MOST_TOLD:
        _log.warning("%s", f"{file.parent.name}/{file.name}: {len(found) - MOST_TOLD} more such lines")
