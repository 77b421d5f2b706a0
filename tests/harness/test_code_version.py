"""What changes the version of a module, and what does not: on a small tree of modules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import code_version as module
from harness.code_version import code_version

FILES = {
    "harness/__init__.py": '"""Root."""\n',
    "harness/stages/__init__.py": "",
    "harness/stages/contract.py": "KIND = 1\n",
    "harness/records.py": "FIELD = 1\n",
    "harness/stages/export.py": (
        '"""Doc."""\n'
        "import os\n"
        "from harness.stages import contract\n"
        "from harness.records import FIELD\n"
        "class Options:\n    x: int = 1\n    '''Doc of x.'''\n"
        "def run():\n    '''Doc of run.'''\n    from harness.deep import thing\n    from . import near\n    return 1\n"
    ),
    "harness/stages/near.py": "NEAR = 1\n",
    "harness/deep/__init__.py": "from zoo.models import build as thing\n",
    "harness/deep/thing_unused.py": "UNUSED = 1\n",
    "harness/other.py": "OTHER = 1\n",
    "zoo/__init__.py": "",
    "zoo/models.py": "import zoo.far\nimport harness.stages.export\nbuild = 1\n",
    "zoo/far.py": "FAR = 1\n",
}
Version = Callable[..., str]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def version(*modules: str | Path) -> str:
    module._facts.cache_clear()
    code_version.cache_clear()
    return code_version(*modules)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("harness/stages/export.py", "return 1", "return 2"),
        ("harness/stages/export.py", "x: int = 1", "x: int = 2"),
        ("harness/stages/near.py", "1", "2"),  # relative, inside a function
        ("harness/deep/__init__.py", "build as thing", "build as thing, far"),
        ("zoo/models.py", "build = 1", "build = 2"),
        ("zoo/far.py", "1", "2"),
    ],
)
def test_a_change_of_code_counts(tree: Path, file: str, old: str, new: str) -> None:
    before = version("harness.stages.export")
    edit(tree / file, old, new)
    assert version("harness.stages.export") != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("harness/stages/export.py", "Doc.", "Another."),
        ("harness/stages/export.py", "'''Doc of x.'''\n", "\n"),
        ("harness/stages/export.py", "'''Doc of run.'''\n", "# a comment\n\n"),
        ("harness/stages/export.py", "return 1", "return (1)"),
        ("harness/records.py", "1", "2"),
        ("harness/stages/contract.py", "1", "2"),
        ("harness/other.py", "1", "2"),
        ("harness/deep/thing_unused.py", "1", "2"),
    ],
)
def test_what_cannot_matter_does_not_count(tree: Path, file: str, old: str, new: str) -> None:
    before = version("harness.stages.export")
    edit(tree / file, old, new)
    assert version("harness.stages.export") == before


def test_names_and_files_are_the_same(tree: Path) -> None:
    assert version("harness.other") == version(tree / "harness" / "other.py")
    assert version("harness.deep") == version(tree / "harness" / "deep" / "__init__.py")
    both = version("harness.other", "zoo.far")
    assert both == version("zoo.far", "harness.other")
    assert both != version("harness.other")


def test_a_file_of_the_user_counts_with_what_it_imports_from_us(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path.parent / f"{tmp_path.name}-plugins"
    folder.mkdir()
    own = folder / "mine.py"
    own.write_text("import harness.other\nX = 1\n")
    before = version(own)
    edit(tree / "harness/other.py", "1", "2")
    after = version(own)
    assert after != before
    edit(own, "X = 1", "X = 2")
    assert version(own) != after


def test_an_unknown_module_is_an_error(tree: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"harness\.nothing"):
        version("harness.nothing")


def test_the_real_stages_have_versions_of_their_own() -> None:
    versions = {version(f"harness.stages.{kind}") for kind in ("source", "export", "evaluate", "latency")}
    assert len(versions) == 4
