"""Every error and every death has one name."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from harness.errors import Crashed, StageFailed, Unsupported, UserError
from harness.runner import failures
from harness.runner.failures import from_exception, from_exit, meaningful, snake_case


class ArrayMemoryError(MemoryError):
    """As in NumPy."""


class ResourceExhaustedError(Exception):
    """As in TensorFlow, for memory and disk alike."""


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def during(error: Exception, context: Exception, *, suppressed: bool) -> Exception:
    error.__context__, error.__suppress_context__ = context, suppressed
    return error


EXCEPTIONS = [
    (Unsupported("no", "int16_io"), "unsupported", "int16_io"),
    (Crashed("Node died of SIGSEGV", "signal_11"), "crashed", "signal_11"),
    (StageFailed("no", "float_ops"), "failed", "float_ops"),
    (UserError("no"), "failed", "user_error"),
    (MemoryError(), "out_of_memory", "out_of_memory"),
    (ArrayMemoryError("Unable to allocate 8. GiB"), "out_of_memory", "out_of_memory"),
    (RuntimeError("std::bad_alloc"), "out_of_memory", "out_of_memory"),
    (ResourceExhaustedError("OOM when allocating tensor"), "out_of_memory", "out_of_memory"),
    (os_error(errno.ENOMEM), "out_of_memory", "out_of_memory"),
    (caused(ValueError("x"), MemoryError()), "out_of_memory", "out_of_memory"),
    (os_error(errno.ENOSPC), "failed", "disk_full"),
    (os_error(errno.EDQUOT), "failed", "disk_full"),
    (os_error(errno.EFBIG), "failed", "file_too_large"),
    (ResourceExhaustedError("a.tflite; No space left on device"), "failed", "disk_full"),
    (RuntimeError("write: File too large"), "failed", "file_too_large"),
    (caused(ValueError("x"), os_error(errno.ENOSPC)), "failed", "disk_full"),
    (during(ValueError("x"), os_error(errno.ENOSPC), suppressed=False), "failed", "disk_full"),
    (during(ValueError("x"), os_error(errno.ENOSPC), suppressed=True), "failed", "value_error"),
    (PermissionError(errno.EACCES, "no"), "failed", "permission_error"),
    (ResourceExhaustedError("other"), "failed", "resource_exhausted_error"),
]


@pytest.mark.parametrize(("error", "status", "reason"), EXCEPTIONS, ids=lambda value: repr(value)[:40])
def test_exceptions(error: Exception, status: str, reason: str) -> None:
    failure = from_exception(error, "export")
    assert (failure.status, failure.reason, failure.stage) == (status, reason, "export")
    assert failure.error == type(error).__name__
    assert failure.message
    assert failure.user_error is isinstance(error, UserError)


def test_a_chain_that_bites_its_tail_ends() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one
    assert from_exception(one, "run").reason == "value_error"


EXITS = [
    (0, "", False, "failed", "no_result"),
    (0, "MemoryError: handled", False, "failed", "no_result"),
    (7, "", False, "failed", "exit_7"),
    (1, "Traceback …\nMemoryError", False, "out_of_memory", "out_of_memory"),
    (1, "numpy._core._exceptions._ArrayMemoryError: x", False, "out_of_memory", "out_of_memory"),
    (-signal.SIGSEGV, "", False, "crashed", "signal_11"),
    (-signal.SIGABRT, "", False, "crashed", "signal_6"),
    (-signal.SIGABRT, "what():  std::bad_alloc", False, "out_of_memory", "out_of_memory"),
    (-signal.SIGSEGV, "", True, "crashed", "signal_11"),
    (-signal.SIGKILL, "", False, "crashed", "killed"),
    (-signal.SIGKILL, "", True, "out_of_memory", "kernel_oom"),
    (-99, "", False, "crashed", "signal_99"),
]


@pytest.mark.parametrize(("code", "log", "oom", "status", "reason"), EXITS)
def test_deaths(code: int, log: str, oom: bool, status: str, reason: str) -> None:
    failure = from_exit(code, "load", log, oom_killed=oom)
    assert (failure.status, failure.reason, failure.stage, failure.log_tail) == (status, reason, "load", log)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ValueError", "value_error"), ("ConverterError", "converter_error"), ("ONNXRuntimeError", "onnx_runtime_error"),
     ("Fail", "fail"), ("OSError", "os_error"), ("HTTPError", "http_error"), ("E2BigError", "e2_big_error")],
)  # fmt: skip
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_the_meaning_of_a_long_message() -> None:
    text = """
    Traceback (most recent call last):
      File "converter.py", line 3, in convert
    <unknown>:0: error: loc("tf.Foo"): 'tf.Foo' op is neither a custom op nor a flex op
    <unknown>:0: note: loc("Foo"): called from
    <unknown>:0: error: failed while converting: 'main'
    <unknown>:0: error: failed while converting: 'main'
    Some ops are not supported
    """
    assert meaningful(text).split("\n") == [
        """<unknown>:0: error: loc("tf.Foo"): 'tf.Foo' op is neither a custom op nor a flex op""",
        "<unknown>:0: error: failed while converting: 'main'",
    ]
    assert meaningful("\n\none\n\ntwo\nthree\nfour") == "one\ntwo\nthree"
    assert meaningful("") == ""
    assert len(meaningful("x" * 9999)) == 2000
    assert from_exception(ValueError(), "run").message == "ValueError"


def test_the_kernel_is_asked_how_many_it_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failures.oom_kills() >= 0
    (tmp_path / "vmstat").write_text("oom_kill_disabled 9\noom_kill 3\n")
    (tmp_path / "events").write_text("oom 7\noom_kill 2\noom_group_kill 9\n")
    places = {"/proc/vmstat": tmp_path / "vmstat", "/sys/fs/cgroup/memory.events": tmp_path / "events"}
    monkeypatch.setattr(failures, "Path", places.get)
    assert failures.oom_kills() == 5
