"""The page of a history: whole, without a script, and deaf to names that mean harm; also in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harness.history import Chronicle
from harness.history.render import page
from tests.harness.compare.conftest import Runs, cell
from tests.harness.history.conftest import FIRST, Nights, noisy

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
EVIL = "</title></svg><script>document.title='owned'</script>\"'`<img src=x onerror=alert(1)>{{ 7 * 7 }}"
NOW = FIRST + timedelta(days=100)


class Read(HTMLParser):
    """A page taken to pieces."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [has for name, has in self.tags if name == tag and wanted.items() <= has.items()]


@pytest.fixture
def bad(nights: Nights) -> Chronicle:
    """Return a history with a slow cell, one that stopped, and an evil name in every place that has one."""
    slow, stops = cell(), cell("none", model=EVIL)
    for ms in noisy(12):
        nights.write(nights.record(ms, slow), nights.record(ms, stops), cpu=EVIL)
    failed = nights.runs.stopped(nights.record(2.0, stops), EVIL)
    failed = replace(failed, fingerprint=EVIL)
    nights.write(nights.record(2.4, slow), replace(failed, started_at=failed.started_at), cpu=EVIL)
    return nights.look()


def test_nothing_is_a_script_and_only_our_style_is_let_in(bad: Chronicle) -> None:
    text = page.page(bad, NOW)
    read = Read(text)
    assert read.of("script") == read.of("img") == read.of("link") == []
    assert not [has for _, has in read.tags if any(name.startswith("on") or name == "style" for name in has)]
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = read.of("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(.{3})", text)
    assert "document.title" in read.text
    assert not re.search(r"https?://", style)


def test_each_finding_has_an_article_and_a_slow_cell_a_picture(bad: Chronicle) -> None:
    read = Read(page.page(bad, NOW))
    assert len(read.of("article")) == len(bad.findings) == 2
    assert len(read.of("article", **{"class": "fails"})) == 2
    (large,) = read.of("svg", width="720")
    assert "stands out from 1.05× on" in str(large["aria-label"])
    assert len(read.of("circle", **{"class": "dot"})) == 13
    assert len(read.of("line", **{"class": "interval"})) == 13
    assert "this is not the state of today" in read.text


def test_every_picture_has_words_for_those_who_do_not_see_it(bad: Chronicle) -> None:
    read = Read(page.page(bad, NOW))
    pictures = read.of("svg")
    assert len(pictures) == 1 + 2 * 4
    assert all(one["role"] == "img" and one["aria-label"] for one in pictures)
    assert "13 runs, from 2.00 to 2.40 ms" in str([one["aria-label"] for one in pictures])


def test_a_quiet_history_is_a_page_too(nights: Nights) -> None:
    found = nights.nights([2.0]).look()
    read = Read(page.page(found, FIRST))
    assert read.of("article") == []
    assert "nothing stands out" in read.text
    assert not read.of("a", href="#stands-out")


def test_cells_without_latency_size_or_labels_are_rows(nights: Nights) -> None:
    nights.write(nights.runs.stopped(nights.record()))
    text = page.page(nights.look(), FIRST)
    assert text.count('<span class="absent">–</span>') == 3


def test_a_page_of_many_nights_stays_small(nights: Nights) -> None:
    nets = [cell(model=f"net{i}", runtime=r) for i in range(5) for r in ("cpu", "xnnpack")]
    for ms in noisy(30):
        nights.write(*(nights.record(ms, net) for net in nets))
    empty = len(page.page(Nights(Runs(nights.runs.root.parent / "other")).nights([2.0]).look(), NOW))
    each = (len(page.page(nights.look(), NOW)) - empty) / len(nets)
    assert each < 4000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not BROWSER:
        pytest.skip("no chromium on the PATH; Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        made = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


def test_a_browser_shows_it_without_a_complaint_and_fetches_nothing(
    browser: Any, bad: Chronicle, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text(page.page(bad, NOW), "utf-8")
    heard: list[str] = []
    asked: list[str] = []
    opened = browser.new_page(viewport={"width": 1400, "height": 900})
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(f"file://{tmp_path / 'index.html'}")
    assert opened.title() == "History: 2 cells in the newest night: 2 regressions"
    assert opened.get_by_role("img", name="runs worked").count() == 2
    line = opened.locator("svg[width='720'] polyline").bounding_box()
    band = opened.locator("svg[width='720'] .band").bounding_box()
    assert line["height"] > 60
    assert line["y"] < band["y"], "the newest run is above what does not stand out"
    assert opened.locator(".band").first.evaluate("one => getComputedStyle(one).fill") != "rgb(0, 0, 0)"
    assert heard == []
    assert len(asked) == 1
    opened.close()
