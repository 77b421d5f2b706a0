"""One call of scripts/nightly.sh, and what it left behind."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "nightly.sh"


@dataclass(frozen=True)
class Night:
    """What one call of the script left behind."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> str:
        (line,) = (line for line in self.out.splitlines() if line.startswith("summary: "))
        return Path(line.removeprefix("summary: ")).read_text()


def script(*words: str, cwd: Path, **env: str) -> Night:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NIGHTLY_", "GITHUB_"))}
    done = subprocess.run([SCRIPT, *words], cwd=cwd, env=kept | env, capture_output=True, text=True, check=False)
    return Night(done.returncode, done.stdout, done.stderr)
