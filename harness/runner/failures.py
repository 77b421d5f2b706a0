"""From what went wrong to a ``Failure``: exceptions (in the worker) and deaths (seen by its parent)."""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterator
from pathlib import Path

from harness.errors import Crashed, StageError, Unsupported, UserError
from harness.records import Failure, Stage, Status

FIRST_STAGE: dict[str, Stage] = {
    "dataset": "source", "source": "source", "quantize": "quantize", "export": "export",
    "evaluate": "load", "latency": "latency",
}  # fmt: skip
"""Where a job is booked that has not yet said where it is."""

MESSAGE_CHARS = 2000
_NO_MEMORY = re.compile(r"std::bad_alloc|Cannot allocate memory|OOM when allocating|Unable to allocate [\d.]+ \wiB")
_FULL = {errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full", errno.EFBIG: "file_too_large"}
_FULL_TEXT = {
    "No space left on device": "disk_full",
    "Disk quota exceeded": "disk_full",
    "File too large": "file_too_large",
}
_NOISE = re.compile(r"^(Traceback \(most recent call last\)|File \"|\^+$|.*\bnote: (called from|loc\())")


def first_stage(kind: str) -> Stage:
    """The stage in which a job of this kind starts."""
    return FIRST_STAGE.get(kind, "source")


def from_exception(error: BaseException, stage: Stage) -> Failure:
    """Classify an exception that a stage let fly; message: its first meaningful lines, ≤ 2000 characters."""
    status, reason = _classify(error)
    return Failure(
        status=status,
        stage=stage,
        reason=reason,
        error=type(error).__name__,
        message=meaningful(str(error)) or type(error).__name__,
        user_error=isinstance(error, UserError),
    )


def _classify(error: BaseException) -> tuple[Status, str]:
    if isinstance(error, Unsupported):
        return "unsupported", error.reason
    if isinstance(error, Crashed):
        return "crashed", error.reason
    if isinstance(error, StageError):
        return "failed", error.reason
    if isinstance(error, UserError):
        return "failed", "user_error"
    for cause in _chain(error):
        if _is_memory(cause):
            return "out_of_memory", "out_of_memory"
        reason = full_reason(cause)
        if reason:
            return "failed", reason
    return "failed", snake_case(type(error).__name__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


def full_reason(error: BaseException) -> str | None:
    """``disk_full`` or ``file_too_large`` when that is what the error says, whichever library says it."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return _FULL[error.errno]
    text = str(error)
    return next((reason for words, reason in _FULL_TEXT.items() if words in text), None)


def snake_case(name: str) -> str:
    """``InvalidArgumentError`` → ``invalid_argument_error``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def meaningful(text: str, lines: int = 3) -> str:
    """The lines that say what is wrong: those of a compiler that hold ``error:``, else the first ones."""
    plain = [line.strip() for line in text.splitlines()]
    plain = [line for line in dict.fromkeys(plain) if line and not _NOISE.match(line)]
    errors = [line for line in plain if "error:" in line]
    return "\n".join((errors or plain)[:lines])[:MESSAGE_CHARS]


def from_exit(code: int, stage: Stage, log_tail: str, *, oom_killed: bool) -> Failure:
    """Classify the end of a worker that left no result; a negative ``code`` is a signal."""
    if code < 0:
        return _from_signal(-code, stage, log_tail, oom_killed=oom_killed)
    if code == 0:
        message = "the process ended without an error and without a result"
        return Failure("failed", stage, "no_result", "NoResult", message, log_tail)
    if _out_of_memory_said(log_tail):
        return Failure("out_of_memory", stage, "out_of_memory", "MemoryError", "memory ran out", log_tail)
    return Failure("failed", stage, f"exit_{code}", "Exit", f"the process ended with exit code {code}", log_tail)


def _from_signal(number: int, stage: Stage, log_tail: str, *, oom_killed: bool) -> Failure:
    name = _signal_name(number)
    if number == signal.SIGKILL and oom_killed:
        message = "killed by the kernel because the machine ran out of memory"
        return Failure("out_of_memory", stage, "kernel_oom", name, message, log_tail)
    if number == signal.SIGABRT and _out_of_memory_said(log_tail):
        return Failure("out_of_memory", stage, "out_of_memory", name, "memory ran out (std::bad_alloc)", log_tail)
    reason = "killed" if number == signal.SIGKILL else f"signal_{number}"
    return Failure("crashed", stage, reason, name, f"the process died of {name}", log_tail)


def _out_of_memory_said(log_tail: str) -> bool:
    return "std::bad_alloc" in log_tail or re.search(r"^[\w.]*MemoryError\b", log_tail, re.MULTILINE) is not None


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def oom_kills() -> int:
    """How many processes the kernel has killed for memory so far, on this machine or in this container."""
    total = 0
    for path in (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events")):
        try:
            found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
        except OSError:
            continue
        total += int(found[1]) if found else 0
    return total
