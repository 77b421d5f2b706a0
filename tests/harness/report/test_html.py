"""The page in a real browser: filters, order, details, plots; no error, nothing fetched."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.report import build
from tests.harness.report.conftest import plain

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
        names: list[str] = self.page.locator("#table tbody th").all_text_contents()
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


def until(page: Any, condition: str) -> None:
    """Wait for a condition; Playwright's own way is to evaluate text in the page, which the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"never came true: {condition}")


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
    until(page, "document.getElementById('count').textContent === '1 of 96 cells'")
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
    front = page.evaluate("document.getElementById('plot-trade').data.find(one => one.name.startsWith('Pareto front'))")
    assert front["name"] == "Pareto front: resnet, digits, default"
    assert front["x"] == sorted(front["x"])
    assert front["y"] == sorted(set(front["y"]))
    page.select_option("#pick-x", "size_bytes")
    assert max(page.evaluate("document.getElementById('plot-trade').data[0].x")) == pytest.approx(94.37)


@pytest.mark.parametrize("by", ["family", "family × runtime", "quant"])
def test_a_front_is_of_one_group_and_one_task(opened: Opened, by: str) -> None:
    """Images of 8 pixels and of 224 are no trade-off of each other."""
    page = opened.page
    page.locator("#plots").scroll_into_view_if_needed()
    page.wait_for_selector("#plot-trade .scatterlayer .trace path")
    page.select_option("#pick-by", by)
    traces = page.evaluate(
        "document.getElementById('plot-trade').data.map(({name, x, y, mode}) => ({name, x, y, mode}))"
    )
    groups = [one for one in traces if one["mode"] == "markers"]
    for front in (one for one in traces if one["mode"] == "lines"):
        (own,) = (one for one in groups if front["name"].startswith(f"Pareto front: {one['name']}, digits"))
        points = sorted(zip(own["x"], own["y"], strict=True), key=lambda one: (one[0], -one[1]))
        assert front["x"][0] == points[0][0]
        assert front["y"][-1] == max(own["y"])
        assert set(zip(front["x"], front["y"], strict=True)) <= set(points)
    assert len(groups) == len([one for one in traces if one["mode"] == "lines"]) > 1


def test_a_front_of_times_is_of_one_machine(browser: Any, runs: Any, tmp_path: Path) -> None:
    """A faster machine would leave nothing of the other on it; sizes are of no machine."""
    nets = ("resnet50", "resnet101")
    records = [replace(runs.plain(name), fingerprint=where) for name, where in zip(nets, ("a", "b"), strict=True)]
    build([runs.write(records)], tmp_path / "out")
    found = Opened(browser, tmp_path / "out" / "index.html")
    page = found.page
    page.locator("#plots").scroll_into_view_if_needed()
    page.wait_for_selector("#plot-trade .scatterlayer .trace path")
    fronts = "document.getElementById('plot-trade').data.filter(one => one.mode === 'lines').length"
    assert page.evaluate(fronts) == 2
    page.select_option("#pick-x", "size_bytes")
    assert page.evaluate(fronts) == 1
    texts = [
        page.evaluate(f"shown({one})") for one in ("'first_ms', 4425.3", "'size_bytes', 1.49e9", "'load_ms', 0.1234")
    ]
    assert texts == ["4425 ms", "1490 MB", "0.123 ms"]
    assert found.heard == []
    page.close()


@pytest.mark.parametrize(
    ("plot", "told"),
    [("trade", "What accuracy costs: 50 cells."), ("kernels", "XNNPACK against the built-in kernels: 21 cells."),
     ("drop", "What each method costs: 50 cells."), ("inside", "What is really quantized: 7 cells.")],
)  # fmt: skip
def test_every_plot_has_its_cells_and_says_so_to_who_cannot_see_it(opened: Opened, plot: str, told: str) -> None:
    page = opened.page
    page.locator("#plots").scroll_into_view_if_needed()
    place = page.locator(f"#plot-{plot}")
    page.wait_for_selector(f"#plot-{plot} .trace")
    assert place.get_attribute("role") == "img"
    assert place.get_attribute("aria-label") == f"{told} The same numbers are in the table of all cells."


def test_a_link_within_the_page_leaves_the_filters_in_the_address(opened: Opened, browser: Any) -> None:
    page = opened.page
    choose(page, "model", "resnet50")
    page.locator("nav").get_by_text("Environment").click()
    assert page.url.endswith("#?model=resnet50")
    until(page, "document.getElementById('environment').getBoundingClientRect().top < innerHeight")
    page.locator("#reset").click()
    page.locator("nav").get_by_text("Environment").click()
    assert page.url.endswith("#environment")
    again = Opened(browser, Path(page.url.partition("#")[0].removeprefix("file://")), "#environment")
    assert again.page.url.endswith("#environment")
    assert again.count() == "96 of 96 cells"
    again.page.close()


def test_choices_close_by_escape_and_by_a_click_beside_them(opened: Opened) -> None:
    page = opened.page
    choose(page, "model", "resnet50")
    page.keyboard.press("Escape")
    assert page.locator("details.facet[open]").count() == 0
    choose(page, "quant", "int8")
    page.locator("#filters").click(position={"x": 1, "y": 1})
    assert page.locator("details.facet[open]").count() == 0


def test_a_field_of_the_matrix_has_its_numbers_on_hover(opened: Opened) -> None:
    field = opened.page.locator(".matrix").get_by_role("button", name="mobilenet_v2, int8, tflite: clean")
    first, *lines = field.get_attribute("title").splitlines()
    assert first == "clean"
    assert [line.partition(":")[0] for line in lines] == ["cpu", "xnnpack"]
    assert all(" %, " in line and " ms, " in line and line.endswith(" MB") for line in lines)


def test_it_prints_without_empty_frames(opened: Opened, tmp_path: Path) -> None:
    """What was not looked at is not drawn yet: a first print leaves the plots out, a second one has them.

    Unless the pages on paper are so short that the plots came into view, and are drawn.
    """
    page = opened.page
    page.emulate_media(media="print")
    shown = "getComputedStyle(document.querySelector('#plots')).display !== 'none'"
    bare = "[...document.querySelectorAll('#plots .plot')].some((one) => !one.querySelector('.main-svg'))"
    assert not page.evaluate(f"(dispatchEvent(new Event('beforeprint')), {shown} && {bare})")
    page.wait_for_selector("#plot-trade .trace")
    until(page, "!document.querySelector('#plots').classList.contains('undrawn')")
    assert page.locator("#plots").is_visible()
    assert page.pdf(path=tmp_path / "page.pdf").startswith(b"%PDF")


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
    """More cells than the full matrix has, each with its samples; how long it takes is in ``tests/benchmarks``."""
    build([large(runs, 24)], tmp_path / "out")
    assert (tmp_path / "out" / "index.html").stat().st_size < 6e6
    found = Opened(browser, tmp_path / "out" / "index.html")
    assert found.count() == "2304 of 2304 cells"
    until(found.page, "document.querySelectorAll('#table tbody tr').length === 2304")
    assert found.heard == []
    found.page.close()


def large(runs: Any, copies: int) -> Path:
    """Write a run of so many sweeps, each cell with the samples of three processes."""
    random = np.random.default_rng(0)
    records = [
        replace(one, cell=replace(one.cell, model=f"{one.cell.model}_{copy}"),
                details={"files": {"samples": f"{copy}-{number}.json"}})
        for copy in range(copies)
        for number, one in enumerate(runs.sweep())
    ]  # fmt: skip
    folder: Path = runs.write(records)
    for record in records:
        rounds = [{"wall_ns": random.integers(900_000, 1_200_000, 64).tolist()} for _ in range(3)]
        (folder / record.details["files"]["samples"]).write_text(json.dumps({"rounds": rounds}))
    return folder


def wide(runs: Any, columns: int) -> Path:
    """Write a run of two models in so many quantizations, on two tasks."""
    records = [
        replace(one, cell=replace(one.cell, model=model, quant=f"int8@calibration_images={number}", task=task))
        for one in [plain()]
        for model in ("mobilenet_v2", "efficientnet_v2_b0")
        for task in ("digits", "photos")
        for number in range(columns)
    ]
    folder: Path = runs.write(records)
    return folder


def test_a_wide_matrix_fits_on_paper_and_its_heads_stay_in_sight(browser: Any, runs: Any, tmp_path: Path) -> None:
    build([wide(runs, 60)], tmp_path / "out")
    found = Opened(browser, tmp_path / "out" / "index.html")
    width = "document.querySelector('.matrix').getBoundingClientRect().width"
    assert found.page.evaluate(width) < 2400  # 2,912 with heads that lie
    found.page.evaluate("document.querySelector('.matrix').closest('.scroll').scrollLeft = 500")
    head = found.page.locator(".matrix thead th").first.bounding_box()
    assert head is not None
    assert head["x"] < 60
    found.page.set_viewport_size({"width": 1032, "height": 700})  # A4 across, without its margins
    found.page.emulate_media(media="print")
    assert found.page.evaluate(width) <= 1032
    found.page.close()


def test_names_tell_the_task_where_there_are_several(browser: Any, runs: Any, tmp_path: Path) -> None:
    build([wide(runs, 2)], tmp_path / "out")
    found = Opened(browser, tmp_path / "out" / "index.html")
    head = found.page.locator("#table thead th").all_text_contents()
    assert [one.strip() for one in head[:3]] == ["cell", "task", "verdict"]
    found.page.locator(".matrix td button").first.click()
    found.page.wait_for_selector("dialog[open]")
    assert found.page.locator("#details-title").inner_text().endswith("· digits")
    found.page.close()


def test_many_artifacts_are_one_bar_for_each_way_to_quantize(browser: Any, runs: Any, tmp_path: Path) -> None:
    made = [plain(f"model{number}", quant, int8_mac_share=1 - number / 100 if quant == "int8" else 0.0)
            for number in range(45) for quant in ("int8", "float16")]  # fmt: skip
    options = {"int8": "int8", "float16": "float16"}
    records = [replace(one, options={"quant": {"method": "ptq", "scheme": options[one.cell.quant]}}) for one in made]
    build([runs.write(records)], tmp_path / "out")
    found = Opened(browser, tmp_path / "out" / "index.html")
    found.page.locator("#plots").scroll_into_view_if_needed()
    found.page.wait_for_selector("#plot-inside .trace")
    bars = found.page.evaluate("document.getElementById('plot-inside').data.map((one) => [one.y, one.x])")
    assert bars[0] == [["int8 tflite (45)"], [pytest.approx(56.0)]]
    found.page.close()


def test_plots_show_the_newest_of_a_cell_and_the_others_on_demand(browser: Any, runs: Any, tmp_path: Path) -> None:
    new = replace(plain(run="r2", latency_p50_ms=7.0), started_at="2026-11-23T08:00:00+00:00")
    build([runs.write([plain(latency_p50_ms=9.0)]), runs.write([new], "r2")], tmp_path / "out")
    for query, told in (("", [7.0]), ("#?run=r1", [9.0])):
        found = Opened(browser, tmp_path / "out" / "index.html", query)
        found.page.locator("#plots").scroll_into_view_if_needed()
        found.page.wait_for_selector("#plot-trade .points path")
        traces = found.page.evaluate("document.getElementById('plot-trade').data.map((one) => [one.name, one.x])")
        assert [x for name, x in traces if not name.startswith("Pareto")] == [told]
        found.page.close()
