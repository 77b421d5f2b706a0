"""How long a report of more cells than the full matrix takes to open, ready to be filtered: under 2 s is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.report import build
from tests.harness.report.conftest import Runs
from tests.harness.report.test_html import BROWSER, Opened, browser, large

__all__ = ["browser"]


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason="no chromium on the PATH; Debian: apt-get install chromium")
def test_opening_a_large_report(benchmark: Any, browser: Any, tmp_path: Path) -> None:
    build([large(Runs(tmp_path), 24)], tmp_path / "out")

    def opens() -> None:
        found = Opened(browser, tmp_path / "out" / "index.html")
        assert found.count() == "2304 of 2304 cells"
        found.page.close()

    benchmark.pedantic(opens, rounds=5, warmup_rounds=1)
