"""What a worker finds when it starts: a whitelisted environment, and this harness to import."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
"""The checkout, or the ``site-packages``, that this harness is in."""
PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "XDG_DATA_HOME", "KERAS_HOME", "TFDS_DATA_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "HARNESS_STAGE_PATH",
    "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_REGISTRY", "npm_config_registry",
)  # fmt: skip
"""Variables that a worker inherits; no others, so that two runs mean the same."""
DEFAULTS = {
    "TF_USE_LEGACY_KERAS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
    "PYTHONSAFEPATH": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONUTF8": "1",
}


def environment(python: str, workdir: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of a worker: defaults, what is passed on, its temporary folder, ``extra``."""
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    own = {"TMPDIR": str(workdir / "tmp"), **_import_path(python, workdir)}
    return {**DEFAULTS, **passed, **own, **extra}


def _import_path(python: str, workdir: Path) -> dict[str, str]:
    """What lets ``python`` import this harness and zoo, and nothing else of our environment."""
    if not HERE.name.endswith("-packages"):
        return {"PYTHONPATH": str(HERE)}
    if python == sys.executable:
        return {}
    links = workdir / "lib"
    links.mkdir(exist_ok=True)
    for name in ("harness", "zoo"):
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(HERE / name)
    return {"PYTHONPATH": str(links)}
