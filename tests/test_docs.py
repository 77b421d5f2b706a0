"""What the documents say is so: documented commands compose, generated blocks are current, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness import config
from harness.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMAND = re.compile(r"^(?:python -m )?harness (.*)$")


def documented() -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", README, re.DOTALL)
    lines = [line.split("  #")[0].split("    #")[0].strip() for block in blocks for line in block.splitlines()]
    quoted = re.findall(r"`(harness [^`]+)`", README)
    return [found[1] for line in [*lines, *quoted] if (found := COMMAND.match(line)) and found[1]]


@pytest.mark.parametrize("line", documented())
def test_a_documented_command_is_one(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    if words[0] in COMMANDS:
        return
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.keras").touch()
    (tmp_path / "images" / "cat").mkdir(parents=True)
    (tmp_path / "images" / "cat" / "1.png").touch()
    overrides = [word for word in words if word != "-m"]
    if "-m" in words:
        overrides = [word.split(",")[0] for word in overrides]
    assert config.compose(overrides).config.model


def test_the_documents_name_enough_commands() -> None:
    assert len(documented()) >= 8


def published() -> list[Path]:
    return sorted(path for path in (ROOT / "results" / "reference").glob("*/"))


def test_the_table_is_that_of_the_published_records() -> None:
    from harness.commands import own_verdict
    from harness.report import readme

    assert readme.check(ROOT / "README.md", published(), own_verdict(published()))


def test_the_published_reports_are_those_of_the_published_records(tmp_path: Path) -> None:
    """All that ``make report`` writes but the page, whose bytes depend on the version of Plotly."""
    from harness.commands import own_verdict
    from harness.report import build

    made = build(published(), tmp_path, own_verdict(published()))
    texts = [file for file in made if file.suffix in (".md", ".csv")]
    assert len(texts) >= 4
    for file in texts:
        assert file.read_text() == (ROOT / "reports" / "reference" / file.name).read_text(), f"{file.name}: make report"


def test_the_support_matrix_has_a_row_for_each_model_and_no_field_that_nobody_ran() -> None:
    text = (ROOT / "reports" / "reference" / "support-matrix.md").read_text()
    rows = [[field.strip() for field in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    assert rows[0] == ["Model", "Quantization support", "FP32 ONNX export", "Quantized ONNX export", "ONNX opset"]
    found = {row[0]: row for row in rows[2:]}
    wanted = set(config.compose(["model=all"]).config.model)
    assert len(wanted) == 25
    assert found.keys() == wanted
    assert len(rows) == 2 + len(wanted)
    for row in rows[2:]:
        assert len(row) == 5
        assert all(field and "not run" not in field and field not in ("-", "–", "·") for field in row), row[0]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_to_files(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_architecture_page_is_a_page() -> None:
    assert len((ROOT / "harness" / "README.md").read_text().splitlines()) <= 150


def test_no_path_of_a_machine_and_no_index_is_committed() -> None:
    """Committed results and reports come from somewhere, but must not say where."""
    foreign = re.compile(r"(?<![\w.])/(?:root|home|work|Users)/\w|https?://[^\s\"']*(?:simple|pypi)", re.IGNORECASE)
    suffixes = {".json", ".jsonl", ".md", ".csv", ".html", ".yaml", ".toml", ".txt"}
    names = [ROOT / "README.md", ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    for folder in ("results/reference", "reports/reference"):
        names += [p for p in (ROOT / folder).rglob("*") if p.suffix in suffixes]
    for path in names:
        assert not foreign.search(path.read_text()), path
