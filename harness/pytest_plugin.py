"""Plugin for pytest: the fixture ``compat`` asserts on the cells of a finished run.

::

    def test_int8_is_fine(compat):
        cell = compat("resnet50", "int8", "tflite")
        cell.require("clean")  # fails with reason and command
        assert cell.values["size_bytes"] < 30e6

Which run: ``pytest --compat-run results/RUN``, or in ``pytest.ini`` ``compat_run = results/RUN``. Nothing of the
harness is imported before a test asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.compat import Compatibility

INI = "compat_run"
OPTION = "--compat-run"
NO_RUN = f"compat: no run was named; allowed: pytest {OPTION} results/RUN, or {INI} = results/RUN in the ini file"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting that name the runs."""
    group = parser.getgroup("harness", "compatibility of models (zoo-harness)")
    group.addoption(OPTION, action="append", default=[], metavar="PATH",
                    help="run that the fixture compat looks into: a folder, its records.jsonl, or a glob; "
                    "may be given more than once")  # fmt: skip
    parser.addini(INI, f"the same as {OPTION}, relative to the ini file", type="paths", default=[])


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say which runs are looked into."""
    found = runs(config)
    return f"compat: {', '.join(map(str, found))}" if found else None


def runs(config: pytest.Config) -> list[Path]:
    """Return the paths that were named: on the command line, else in the ini file."""
    given: list[str] = config.getoption(OPTION)
    return [config.invocation_params.dir / path for path in given] or list(config.getini(INI))


@pytest.fixture(scope="session")
def compat(pytestconfig: pytest.Config) -> Callable[..., Compatibility]:
    """Return ``compat(model, quant, export, runtime, threads=…, task=…)``: verdict, values, reason, reproduce."""
    paths = runs(pytestconfig)
    if not paths:
        pytest.fail(NO_RUN, pytrace=False)
    from harness.compat import Compat
    from harness.errors import UserError

    def told(ask: Callable[[], Any]) -> Any:
        """Answer; what cannot be answered is a failure of the test, in one line."""
        try:
            return ask()
        except UserError as error:
            mistake = str(error)
        return pytest.fail(mistake, pytrace=False)

    cells = told(lambda: Compat(paths))
    return lambda *names, **which: told(lambda: cells(*names, **which))


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain a failed comparison of a verdict: reason and command instead of the difference of two words."""
    explained = getattr(left, "explained", None)
    if not (isinstance(left, str) and isinstance(explained, str)):
        return None
    return [f"{str(left)!r} {op} {right!r}", *explained.splitlines()]
