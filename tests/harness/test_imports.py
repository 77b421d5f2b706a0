"""The import rule of ``harness/README.md``: downwards only, heavy libraries late, no cycles, a light command line."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "harness").rglob("*.py"), *(ROOT / "zoo").rglob("*.py")])
HEAVY = {
    "tensorflow", "tf_keras", "keras", "onnx", "onnxruntime", "ai_edge_litert", "ai_edge_quantizer", "tf2onnx",
    "mlflow", "sklearn",
    "tensorflow_datasets", "tensorflow_model_optimization",
}  # fmt: skip
ONLY_IN = {
    "hydra": ("harness.config", "harness.plan", "harness.cli"),
    "omegaconf": ("harness.config", "harness.plan", "harness.cli"),
    "pandas": ("harness.tables", "harness.report", "harness.compare"),
    "msgspec": ("harness.codec",),
}
PLUGIN_GROUPS = ("harness.quantizers", "harness.exporters", "harness.runtimes", "harness.metrics")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path, *, top_only: bool) -> Iterator[str]:
    """Full names that a file imports; ``from a import b`` gives ``a.b`` when that is a module, else ``a``."""
    tree = ast.parse(path.read_text())
    late = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)} if top_only else set()
    typing_only = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for n in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in late or id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_heavy_libraries_are_imported_late(path: Path) -> None:
    found = {name for name in imports(path, top_only=True) if name.split(".")[0] in HEAVY}
    assert not found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_libraries_with_a_place_stay_in_it(path: Path) -> None:
    name = module_name(path)
    for library, allowed in ONLY_IN.items():
        used = any(found.split(".")[0] == library for found in imports(path, top_only=False))
        assert not used or name.startswith(allowed), f"{name} imports {library}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_zoo_knows_nothing_of_the_harness(path: Path) -> None:
    if module_name(path).startswith("zoo"):
        assert not [name for name in imports(path, top_only=False) if name.split(".")[0] == "harness"]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_plugins_do_not_import_their_siblings(path: Path) -> None:
    name = module_name(path)
    group = next((g for g in PLUGIN_GROUPS if name.startswith(g + ".")), None)
    shared = {"harness.metrics.statistics", f"{group}.contract"}
    found = [n for n in imports(path, top_only=False) if group and n.startswith(group + ".")]
    assert set(found) <= shared


def test_there_is_no_import_cycle() -> None:
    edges = {
        name: {found for found in imports(path, top_only=True) if found in MODULES and found != name}
        for name, path in MODULES.items()
    }
    left = dict(edges)
    while left:
        leaves = [name for name, needs in left.items() if not needs & set(left)]
        assert leaves, f"cycle among {sorted(left)}"
        for name in leaves:
            del left[name]


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["list", "model"]])
def test_the_command_line_imports_no_ml_library(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import json, sys\n"
        "from harness.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('\\n' + json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(run.stdout.splitlines()[-1]))
    assert not loaded & (HEAVY | {"pandas", "scipy", "numpy"})
    assert not list(tmp_path.iterdir())
