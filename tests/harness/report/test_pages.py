"""The files of a report: safe, complete, deterministic, typed."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness import tables
from harness.errors import UserError
from harness.report import build
from harness.report.markdown import escape

EVIL = "<script>alert(1)</script> | `x` [y](javascript:z) </style><img src=x onerror=y>"


class Page(HTMLParser):
    """Tags, attributes and texts of a page, and the fields of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.fields: list[str] = []
        self.ids: list[str] = []
        self._in_field = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag in ("td", "th"):
            self.fields.append("")
            self._in_field = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_field = False

    def handle_data(self, data: str) -> None:
        if self._in_field:
            self.fields[-1] += data


@pytest.fixture
def evil(runs: Any) -> Path:
    bad = runs.stopped(runs.plain(quant="none", model="<b>net</b>"), "failed", "export", "<i>", EVIL, "<u>Error")
    fine = replace(runs.plain("=1+1", note_of_mine="@SUM(A1)"), reproduce='python -m harness "<tag>"')
    folder: Path = runs.write([bad, fine], environment={"<em>": {"<p>": "<a href=x>"}, "=cmd": "+1"})
    return folder


def test_build_writes_its_files(swept: Path, tmp_path: Path) -> None:
    paths = build([swept], tmp_path / "out" / "deep")
    always = ["compatibility.md", "cells.csv", "cells.parquet", "index.html"]
    assert [p.name for p in paths] == [*always, "support-matrix.md", "old-table.md", "inside.md"]
    assert sorted(p.name for p in (tmp_path / "out" / "deep").iterdir()) == sorted(p.name for p in paths)


def test_equal_records_give_equal_bytes_in_whatever_order(runs: Any, tmp_path: Path) -> None:
    records = runs.sweep()
    first = build([runs.write(records)], tmp_path / "a")
    second = build([runs.write(records[::-1])], tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_parquet_comes_back_with_its_types(swept: Path, tmp_path: Path) -> None:
    build([swept], tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "cells.parquet"), tables.load(swept))


def test_csv_holds_every_cell_and_no_blank(swept: Path, tmp_path: Path) -> None:
    build([swept], tmp_path)
    with (tmp_path / "cells.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) == 1 + 96
    assert rows[0] == [str(name) for name in tables.load(swept).columns]
    assert all(field for row in rows for field in row)


def test_csv_has_no_formula(runs: Any, tmp_path: Path) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "fine"]
    records = [replace(runs.plain(model=name), reproduce=name) for name in names]
    build([runs.write(records)], tmp_path)
    table = pd.read_csv(tmp_path / "cells.csv")
    assert set(table["model"]) == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "fine"}
    assert table["top1_drop"].tolist() == [0.0028] * 6


def test_numbers_below_zero_stay_numbers(runs: Any, tmp_path: Path) -> None:
    build([runs.write([runs.plain(top1_drop=-0.01)])], tmp_path)
    assert pd.read_csv(tmp_path / "cells.csv")["top1_drop"].tolist() == [-0.01]


def test_the_page_escapes_everything(evil: Path, tmp_path: Path) -> None:
    build([evil], tmp_path)
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    assert not {"img", "i", "u", "em", "tag"} & set(page.tags)
    assert page.tags.count("style") == 1
    assert page.tags.count("script") == 4  # data, Plotly, and the page's own
    assert any("<script>alert(1)</script>" in value for name, value in page.attributes if name == "title")
    assert "<b>net</b>" in page.fields


def test_the_page_fetches_nothing_and_says_so(evil: Path, tmp_path: Path) -> None:
    build([evil], tmp_path)
    text = (tmp_path / "index.html").read_text("utf-8")
    page = Page(text)
    assert {value[0] for name, value in page.attributes if name in ("href", "src")} == {"#"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    style = re.search(r"<style>(.*)</style>", text, re.S)
    assert style is not None
    script = re.search(r"<script>(.*)</script>", text, re.S)
    assert script is not None
    own, run, nothing = (
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style[1], script[1], "")
    )
    assert f"default-src 'none'; style-src 'sha256-{own}' 'sha256-{nothing}'; script-src 'sha256-{run}' blob:;" in text
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_no_field_of_the_page_is_blank_and_every_note_exists(swept: Path, tmp_path: Path) -> None:
    build([swept], tmp_path)
    page = Page((tmp_path / "index.html").read_text("utf-8"))
    assert len(page.fields) > 400
    assert all(field.strip() for field in page.fields)
    links = {value[1:] for name, value in page.attributes if name == "href"}
    assert links <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_markdown_escapes_everything(evil: Path, tmp_path: Path) -> None:
    build([evil], tmp_path)
    lines = (tmp_path / "compatibility.md").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("    ")).replace("<br>", "")
    assert "<" not in text
    assert escape("a|b `c` <d> [e]\n*f*") == r"a\|b \`c\` &lt;d&gt; \[e\] \*f\*"
    tables_of = [line for line in lines if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables_of if "net" in line}
    heads = {len(re.findall(r"(?<!\\)\|", line)) for line in tables_of if line.startswith("| model")}
    assert widths == heads


def test_markdown_says_what_failed_and_how_to_see_it(swept: Path, tmp_path: Path) -> None:
    build([swept], tmp_path)
    text = (tmp_path / "compatibility.md").read_text("utf-8")
    assert "| mobilenet_v2 | ✓ | ✓ | ✓ | ✓ | ✓ | ✗⁴ | ✓ | ✓ |" in text
    assert "✗ failed at load: **allocate_tensors** (RuntimeError): no_integer_overflow_from_quantization" in text
    assert "    python -m harness repro r1 mobilenet_v2/int16x8/tflite/cpu/t1" in text
    assert "| tensorflow | 2.21.0 |" in text
    assert "| int16x8 | cosine ≥ 0.99, sqnr_db ≥ 18, agreement ≥ 0.98, top1_drop ≤ 0.005 |" in text
    assert "18 partitions, 17 operators outside): the delegate was not applied to what takes the time." in text
    assert not re.search(r"\| *\|", text)


def test_several_runs_are_one_report_with_the_newest_cells(runs: Any, tmp_path: Path) -> None:
    old = runs.stopped(runs.plain(), "crashed", "load", "signal_11", "gone")
    new = replace(runs.plain(run="r2"), started_at="2026-11-23T08:00:00+00:00")
    build([runs.write([old]), runs.write([new], "r2")], tmp_path)
    text = (tmp_path / "compatibility.md").read_text("utf-8")
    assert "| mobilenet_v2 | ✓ |" in text
    assert "1 cells are in more than one run" in text
    assert "1 cells: ✓ 1 clean." in text
    assert "What fails" not in text
    assert "### Run r1" in text
    assert "### Run r2" in text
    assert len(pd.read_parquet(tmp_path / "cells.parquet")) == 2


def test_a_damaged_line_is_in_the_report(runs: Any, tmp_path: Path) -> None:
    folder = runs.write([runs.plain()])
    with (folder / "records.jsonl").open("ab") as stream:
        stream.write(b'{"version":1,"run":"r1"')
    build([folder], tmp_path)
    assert "r1/records.jsonl, line 2" in (tmp_path / "compatibility.md").read_text("utf-8")
    assert "r1/records.jsonl, line 2" in (tmp_path / "index.html").read_text("utf-8")


def test_a_run_without_records_makes_a_report(runs: Any, tmp_path: Path) -> None:
    build([runs.write([])], tmp_path)
    assert "no cells" in (tmp_path / "compatibility.md").read_text("utf-8")


def test_thresholds_are_those_that_were_asked_for(runs: Any, tmp_path: Path) -> None:
    build([runs.write([runs.plain()])], tmp_path, verdict={"schemes": {"default": {"min": {"cosine": 0.9999}}}})
    text = (tmp_path / "compatibility.md").read_text("utf-8")
    assert "1. int8: cosine 0.9957 is below 0.9999" in text
    assert "| default | cosine ≥ 0.9999 |" in text
    assert "With layers in float on purpose an int8 share of 0.5 is enough." in text


def test_a_folder_that_cannot_be_written_is_a_user_error(swept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        build([swept], tmp_path / "file" / "out")


def test_importing_the_report_is_light() -> None:
    code = "import sys, harness.report, harness.report.terminal, harness.report.readme\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "jinja2", "rich", "numpy", "yaml"} & set(run.stdout.split())
