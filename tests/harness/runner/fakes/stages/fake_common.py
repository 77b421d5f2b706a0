"""What the stand-in stages share: a journal of what ran, and the faults that a test asks for."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

JOURNAL = Path(__file__).parent / "journal"


def note(job: Any) -> None:
    with JOURNAL.open("a") as stream:
        stream.write(f"{job.id}\n")
    print(f"in {sys.prefix}")


def misbehave(kind: str, out: Path) -> None:  # noqa: PLR0912 - one branch a fault
    """Do the thing that ``kind`` names; return for ``good``."""
    if kind == "gone":
        (out / "a file that somebody removed").read_bytes()
    if kind == "raise":
        raise RuntimeError("the converter says no\nand then some")
    if kind == "segv":
        ctypes.string_at(0)
    if kind == "abort":
        os.abort()
    if kind == "hang":
        time.sleep(600)
    if kind == "memory":
        hog = []
        while True:
            hog.append(bytearray(os.urandom(1024)) * 64 * 1024)
            time.sleep(0.02)
    if kind == "exit0":
        os._exit(0)
    if kind == "large_file":
        with (out / "large").open("wb") as stream:
            for _ in range(64):
                stream.write(b"x" * 2**20)
    if kind == "unsupported":
        from harness.errors import Unsupported

        raise Unsupported("no such form", "no_such_form")
    if kind == "user":
        from harness.errors import UserError

        raise UserError("model.path: the file is truncated")
    if kind == "killed_once":
        marker = JOURNAL.with_name("killed")
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if kind == "slow":
        time.sleep(0.3)
