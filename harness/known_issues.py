"""What is known to fail because of a library: ``conf/known_issues.yaml``, one entry for each cause.

An entry says which cells it is about, how they fail, who knows of it, and since which version of which package. A
failure that fits is expected; a cell that stops to fail is news, for its entry has to go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.version import InvalidVersion, Version

from harness import environment
from harness.errors import UserError, did_you_mean
from harness.paths import conf_dir
from harness.records import Record, Stage
from harness.validate import validated


@dataclass(frozen=True)
class KnownIssue:
    """One cause."""

    about: str
    """What is wrong, in one line."""
    cells: list[str]
    """Patterns of cell ids (``model/quant/export/runtime/t1``); ``*`` goes across slashes."""
    stage: Stage
    """Where the cells stop."""
    reason: str
    """Regular expression for the whole reason code."""
    link: str
    """Where it is discussed."""
    package: str
    """The distribution that it is a defect or a limit of."""
    since: str
    """The oldest version of it that was seen to fail so."""
    message: str = ""
    """Regular expression for a part of the message, for causes that share a reason."""

    def covers(self, cell: str, packages: Mapping[str, str]) -> bool:
        """Say whether a cell is one of those that fail; ``packages`` are the versions it ran with, where known."""
        return any(fnmatchcase(cell, pattern) for pattern in self.cells) and self._concerns(packages.get(self.package))

    def explains(self, record: Record, packages: Mapping[str, str]) -> bool:
        """Say whether a record fails as this entry says."""
        failure = record.failure
        return (
            failure is not None
            and failure.stage == self.stage
            and re.fullmatch(self.reason, failure.reason) is not None
            and re.search(self.message, failure.message) is not None
            and self.covers(record.cell.id, packages)
        )

    def _concerns(self, version: object) -> bool:
        try:
            return Version(str(version)) >= Version(self.since)
        except InvalidVersion:
            return True  # nobody wrote down what it ran with


def load(path: Path | None = None) -> dict[str, KnownIssue]:
    """Return the entries of a file by name; by default those of ``conf/known_issues.yaml``.

    Raises ``UserError`` with file, key and what is allowed.
    """
    path = path or conf_dir() / "known_issues.yaml"
    content = _read(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping of names to known issues, found {content!r:.60}")
    return {str(name): _checked(str(name), entry, path) for name, entry in content.items()}


def _read(path: Path) -> object:
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; allowed: a file of known issues") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    return {} if content is None else content


def _checked(name: str, entry: object, path: Path) -> KnownIssue:
    found = validated(entry, KnownIssue, name, lambda _: f" ({path})")
    for key in ("reason", "message"):
        _require_pattern(f"{path}: {name}.{key}", getattr(found, key))
    if not found.cells or not all(found.cells):
        raise UserError(f"{path}: {name}.cells: names no cell; allowed: patterns such as densenet*/qat_stock*/*")
    if not re.fullmatch(r"https://\S+", found.link):
        raise UserError(f"{path}: {name}.link: {found.link!r} is no address; allowed: https://…")
    if found.package not in environment.PACKAGES:
        allowed = did_you_mean(found.package, environment.PACKAGES)
        raise UserError(f"{path}: {name}.package: the version of '{found.package}' is not written down; {allowed}")
    try:
        Version(found.since)
    except InvalidVersion as error:
        raise UserError(f"{path}: {name}.since: {found.since!r} is no version; allowed: as 0.8.1") from error
    return found


def _require_pattern(place: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{place}: {pattern!r} is no regular expression: {error}; allowed: those of Python") from error
