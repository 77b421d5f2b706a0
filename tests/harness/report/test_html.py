"""The page in a real browser: filters, order, details, plots; no error, nothing fetched."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.report import build

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium on the PATH; Debian: apt-get install chromium")
EVIL = "</script><script>document.title='owned'</script>\"'`<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


class Opened:
    """A page, and what it complained of or asked for."""

    def __init__(self, browser: Any, file: Path, address: str = "") -> None:
        self.heard: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": 1400, "height": 900})
        self.page.on("console", lambda message: self.heard.append(message.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"file://{file}{address}")

    def cells(self) -> list[str]:
        names: list[str] = self.page.locator("#table tbody th").all_inner_texts()
        return names

    def count(self) -> str:
        text: str = self.page.locator("#count").inner_text()
        return text


@pytest.fixture
def opened(browser: Any, runs: Any, tmp_path: Path) -> Iterator[Opened]:
    records = runs.sweep()
    records[0] = replace(records[0], details={"files": {"samples": "a.json"}})
    folder = runs.write(records)
    (folder / "a.json").write_text(json.dumps({"rounds": [{"wall_ns": [900_000, 1_000_000, 1_200_000]}] * 3}))
    build([folder], tmp_path / "out")
    found = Opened(browser, tmp_path / "out" / "index.html")
    yield found
    assert found.heard == []
    assert {one.partition(":")[0] for one in found.asked} <= {"file", "blob"}
    assert sum(one.startswith("file:") for one in found.asked) == 1
    found.page.close()


def choose(page: Any, facet: str, text: str) -> None:
    box = page.locator(f'[data-facet="{facet}"]')
    if not box.evaluate("one => one.open"):
        box.locator("summary").click()
    box.get_by_label(text, exact=True).check()


def test_filters_narrow_the_table_and_stand_in_the_address(opened: Opened, browser: Any) -> None:
    page = opened.page
    assert opened.count() == "96 of 96 cells"
    choose(page, "model", "resnet50")
    choose(page, "quant", "int8")
    assert opened.count() == "4 of 96 cells"
    page.fill("#search", "xnnpack")
    assert opened.cells() == ["resnet50/int8/tflite/xnnpack/t1"]
    again = Opened(browser, Path(page.url.partition("#")[0].removeprefix("file://")), "#" + page.url.partition("#")[2])
    assert again.cells() == opened.cells()
    again.page.locator("#reset").click()
    assert again.count() == "96 of 96 cells"
    assert "#" not in again.page.url
    again.page.close()


def test_a_click_on_a_head_sorts_and_what_has_no_value_stands_last(opened: Opened) -> None:
    page, head = opened.page, opened.page.locator('button[data-sort="latency_p50_ms"]')
    for way in ("ascending", "descending"):
        head.click()
        assert page.locator("th[aria-sort]", has=head).get_attribute("aria-sort") == way
        place = page.locator("#table thead th").all_inner_texts()
        column = next(number for number, text in enumerate(place) if text.startswith("latency_p50_ms"))
        shown = [row.split("\t")[column] for row in page.locator("#table tbody").inner_text().splitlines()]
        numbers = [float(text.split()[0]) for text in shown if text != "n/a"]
        assert numbers == sorted(numbers, reverse=way == "descending")
        assert shown[len(numbers) :] == ["n/a"] * (len(shown) - len(numbers))
    assert "sort=latency_p50_ms" in page.url
    head.click()
    assert page.locator("th[aria-sort]", has=head).get_attribute("aria-sort") == "none"


def test_a_field_of_the_matrix_opens_its_cells(opened: Opened) -> None:
    page = opened.page
    page.locator(".matrix").get_by_role("button", name="mobilenet_v2, int16x8, tflite: fails").click()
    page.locator("dialog").wait_for()
    text = page.locator("dialog").inner_text()
    assert "no_integer_overflow_from_quantization" in text
    assert "python -m harness repro r1 mobilenet_v2/int16x8/tflite/cpu/t1" in text
    assert "mobilenet_v2/int16x8/tflite/xnnpack/t1" in text
    assert "failed at load: allocate_tensors" in page.locator("dialog").text_content()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_a_cell_shows_how_its_latencies_lie(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="mobilenet_v2/none/tflite/cpu/t1").click()
    page.wait_for_selector("dialog .plot .scatterlayer path")
    assert page.locator("dialog .plot .scatterlayer .trace").count() == 3


def test_the_matrix_is_walked_with_arrow_keys(opened: Opened) -> None:
    page = opened.page
    page.locator(".matrix td button").first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    first = page.locator(".matrix tbody tr:not(.family)").nth(1).locator("td button").first.get_attribute("aria-label")
    assert label == first
    page.keyboard.press("Enter")
    page.locator("dialog").wait_for()


def test_groups_of_columns_come_on_demand_and_go_into_the_csv(opened: Opened) -> None:
    page = opened.page
    before = page.locator("#table thead th").count()
    page.locator("#columns").get_by_label("latency", exact=True).check()
    heads = [text.strip() for text in page.locator("#table thead th").all_inner_texts()]
    assert len(heads) > before
    assert "latency_min_ms" in heads
    choose(page, "runtime", "tensorflow")
    rows = list(csv.reader(page.evaluate("asCsv(passing(), columns())").splitlines()))
    assert rows[0] == heads
    assert len(rows) == 1 + 24
    assert all(field for row in rows for field in row)


def test_plots_are_of_the_cells_that_pass(opened: Opened) -> None:
    page = opened.page
    page.locator("#plots").scroll_into_view_if_needed()
    page.wait_for_selector("#plot-trade .scatterlayer .trace path")
    points = (
        "document.getElementById('plot-trade').data.filter(one => one.mode === 'markers').flatMap(one => one.x).length"
    )
    assert page.evaluate(points) == page.evaluate(
        "DATA.columns.find(one => one.name === 'latency_p50_ms').number.filter(one => one !== null).length"
    )
    choose(page, "model", "resnet50")
    choose(page, "runtime", "xnnpack")
    assert page.evaluate(points) == 6
    front = page.evaluate("document.getElementById('plot-trade').data.find(one => one.name === 'Pareto front')")
    assert front["x"] == sorted(front["x"])
    assert front["y"] == sorted(set(front["y"]))
    page.select_option("#pick-x", "size_bytes")
    assert max(page.evaluate("document.getElementById('plot-trade').data[0].x")) == pytest.approx(94.37)


def test_hostile_names_are_text(browser: Any, runs: Any, tmp_path: Path) -> None:
    bad = runs.stopped(runs.plain(model=EVIL), "failed", "export", EVIL, EVIL, EVIL)
    folder = runs.write([replace(bad, reproduce=EVIL), replace(runs.plain(note_of_mine=EVIL), artifact=EVIL)])
    build([folder], tmp_path / "out")
    found = Opened(browser, tmp_path / "out" / "index.html")
    for number in range(2):
        found.page.locator("#table tbody th button").nth(number).click()
        found.page.locator("dialog").wait_for()
        found.page.keyboard.press("Escape")
    assert found.page.title().startswith("Compatibility")
    assert found.page.locator("img").count() == 0
    assert any(EVIL in name for name in found.cells())
    assert found.heard == []
    found.page.close()


def test_a_large_report_stays_small_and_opens(browser: Any, runs: Any, tmp_path: Path) -> None:
    """As many cells as the full matrix has: 25 models, 7 quantizations, 8 (exporter, runtime) pairs."""
    records = [
        replace(one, cell=replace(one.cell, model=f"{one.cell.model}_{copy}"), run="r1")
        for copy in range(15)
        for one in runs.sweep()
    ]
    build([runs.write(records)], tmp_path / "out")
    assert (tmp_path / "out" / "index.html").stat().st_size < 6e6
    found = Opened(browser, tmp_path / "out" / "index.html")
    assert found.count() == "1440 of 1440 cells"
    assert found.heard == []
    found.page.close()
