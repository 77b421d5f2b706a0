"""Plug-ins are files: ``harness/<group>/<name>.py`` or ``<plugins_dir>/<group>/<name>.py``. No list, no decorator.

Groups and what their modules hold are in ``harness/README.md``; every module has ``Options``, a dataclass
whose fields are what a preset in ``conf/`` may set.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from dataclasses import MISSING, Field, fields
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import UserError, did_you_mean
from harness.validate import validated

GROUPS = ("quantizers", "exporters", "runtimes", "metrics", "trackers")
NEEDED = {
    "quantizers": ("PACKAGES", "Options", "refuses", "quantize"),
    "exporters": ("PACKAGES", "FORMAT", "MEMORY_PER_WEIGHT_BYTE", "Options", "export"),
    "runtimes": ("PACKAGES", "READS", "Options", "open_session"),
    "metrics": ("UNITS",),
    "trackers": ("Options", "ready", "track"),
}
"""Group → the names that its modules hold; what they mean is in the group's ``contract.py``."""
_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NOT_PLUGINS = {"__init__", "contract"}


def names(group: str, plugins_dir: str | None = None) -> list[str]:
    """Return the names of all plug-ins of a group, the user's own included."""
    folders = [_HERE / group] + ([Path(plugins_dir) / group] if plugins_dir else [])
    found = {path.stem for folder in folders for path in folder.glob("*.py")}
    return sorted(name for name in found - _NOT_PLUGINS if _NAME.fullmatch(name))


@cache
def load(group: str, name: str, plugins_dir: str | None = None) -> ModuleType:
    """Return the module of one plug-in; the user's own file wins. Raises ``UserError`` for an unknown name."""
    if not _NAME.fullmatch(name) or name not in names(group, plugins_dir):
        raise UserError(f"{group[:-1]} '{name}' does not exist: {did_you_mean(name, names(group, plugins_dir))}")
    own = Path(plugins_dir, group, f"{name}.py") if plugins_dir else None
    if own and own.is_file():
        return _load_file(own, f"harness_plugins.{group}.{name}")
    return importlib.import_module(f"harness.{group}.{name}")


def _load_file(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"{path} cannot be imported: {_told(error, path)}") from error
    group = path.parent.name
    lacking = [needed for needed in NEEDED[group] if not hasattr(module, needed)]
    if lacking:
        raise UserError(f"{path} lacks {', '.join(lacking)}; {group} have {', '.join(NEEDED[group])}")
    return module


def _told(error: Exception, path: Path) -> str:
    """Return an exception in one line, with the last line of ``path`` that it came through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    place = f" (line {lines[-1]})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"


def options(module: ModuleType, values: dict[str, Any], place: str = "") -> Any:
    """Return ``module.Options`` made of ``values`` (without ``method``), checked. Raises ``UserError``."""
    own = {key: value for key, value in values.items() if key != "method"}
    return validated(own, module.Options, place or module.__name__)


def defaults(module: ModuleType) -> dict[str, Any]:
    """Return the option names of a plug-in with their default values."""
    return {
        f.name: None if f.default is MISSING and f.default_factory is MISSING else _default(f)
        for f in fields(module.Options)
    }


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
