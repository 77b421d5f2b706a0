"""The version of the code behind a result: a hash that comments, docstrings and formatting do not change."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("harness", "zoo")
LEFT_OUT = frozenset({"harness.records", "harness.errors", "harness.codec", "harness.stages.contract"})
"""Modules that carry results and do not make them: a change there redoes nothing."""


@functools.lru_cache(maxsize=256)
def code_version(*modules: str | Path) -> str:
    """Return a hash of modules (dotted names, or files) and of all harness and zoo modules that they import.

    Imports inside functions count; what is loaded by name at run time does not, so name it too. Each combination
    is looked at once per process.

    Raises:
        ModuleNotFoundError: there is no such module.
        OSError: a file cannot be read.
    """
    found: dict[str, str] = {}
    open_files = [_file(module) for module in modules]
    while open_files:
        path = open_files.pop()
        name = _name(path)
        if name not in found and name not in LEFT_OUT:
            found[name], imported = _facts(path, path.stat().st_mtime_ns)
            open_files += imported
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(found.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@functools.cache
def _facts(path: Path, _changed_ns: int) -> tuple[str, tuple[Path, ...]]:
    """Hash of one file without its strings and comments, and the files of ours that it imports."""
    tree = ast.parse(path.read_bytes(), str(path))
    imported = tuple(_imported(tree, path))
    return hashlib.sha256(ast.dump(_Bare().visit(tree)).encode()).hexdigest(), imported


class _Bare(ast.NodeTransformer):
    """Drops every statement that is only a string: docstrings of modules, functions, classes and fields."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


def _file(module: str | Path) -> Path:
    if isinstance(module, Path):
        return module.resolve()
    path = _module_file(module)
    if path is None:
        raise ModuleNotFoundError(f"there is no module '{module}' in {', '.join(PACKAGES)}")
    return path


def _module_file(name: str) -> Path | None:
    """The file of a harness or zoo module; None when ``name`` is none, such as a function in one."""
    parts = name.split(".")
    if parts[0] not in PACKAGES or not all(parts):
        return None
    base = ROOT.joinpath(*parts)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _name(path: Path) -> str:
    """Dotted name of a file of ours; of a file from elsewhere its bare name, which moving it does not change."""
    if not path.is_relative_to(ROOT):
        return path.stem
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.AST, path: Path) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from filter(None, map(_module_file, names))


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """``from ..x import y`` in this file as the dotted name of ``x``."""
    if not node.level:
        return node.module or ""
    package = path.parent
    for _ in range(node.level - 1):
        package = package.parent
    return ".".join(filter(None, [_name(package / "__init__.py"), node.module]))
