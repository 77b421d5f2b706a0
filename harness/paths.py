"""Where the project's own files are, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """Return the folder of the configuration: ``harness/_conf`` in a wheel, else ``conf`` beside the package."""
    installed = _HERE / "_conf"
    return installed if installed.is_dir() else _HERE.parent / "conf"
