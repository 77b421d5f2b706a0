"""The worker by itself, spoken to as its parent would: what it says, writes and keeps to."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import codec
from harness.records import Job, JobResult, Limits
from harness.runner import worker
from harness.runner.worker import PipeReporter

ROOT = Path(worker.__file__).parents[2]
HEAD = "import os, sys, time\nfrom harness.stages.contract import Outcome\nfrom harness import errors\n"
Talk = Callable[..., "Said"]


class Said:
    """All that a worker said until it ended."""

    def __init__(self, messages: list[dict[str, Any]], code: int, home_log: str) -> None:
        self.messages, self.code, self.home_log = messages, code, home_log


@pytest.fixture
def stage(tmp_path: Path) -> Callable[[str, str], None]:
    """Write a test stage: name, body of ``run(job, report)``."""

    def write(name: str, body: str) -> None:
        text = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        (tmp_path / f"{name}.py").write_text(f"{HEAD}def run(job, report):\n{text}\n")

    return write


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    """Start a worker, give it lines on stdin, and listen until it ends."""

    def converse(*lines: str, arguments: tuple[str, ...] = ()) -> Said:
        reading, writing = os.pipe()
        env = {**os.environ, "PYTHONPATH": str(ROOT), worker.STAGE_PATH: str(tmp_path)}
        command = [sys.executable, "-m", "harness.runner.worker", f"--control={writing}", *arguments]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=env, pass_fds=(writing,), start_new_session=True,
        )  # fmt: skip
        os.close(writing)
        with process, os.fdopen(reading) as control:
            home_log, _ = process.communicate("".join(f"{line}\n" for line in lines), timeout=60)
            messages = [json.loads(line) for line in control]
        return Said(messages, process.returncode, home_log)

    return converse


def job(folder: Path, kind: str, name: str = "j1", **options: Any) -> tuple[Job, str]:
    """Return a job and the path of its file."""
    out = folder / f"out-{name}"
    out.mkdir()
    result, log = str(folder / f"{name}.result"), str(folder / "logs" / f"{name}.log")
    made = Job(name, kind, options, {}, str(out), result, log, Limits(60, 2**30, 2**30))
    (folder / f"{name}.job").write_bytes(codec.encode(made))
    return made, str(folder / f"{name}.job")


def result_of(made: Job) -> JobResult:
    return codec.decode(Path(made.result).read_bytes(), JobResult)


def test_it_says_where_it_is_before_it_gets_there(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("dies", """
        report.stage("load")
        report.stage("run")
        os._exit(9)
    """)  # fmt: skip
    said = talk(job(tmp_path, "dies")[1])
    assert said.messages == [{"stage": "load"}, {"stage": "run"}]
    assert said.code == 9


def test_it_takes_job_after_job(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("prints", 'print(job.id); sys.stderr.write("err\\n"); return Outcome({"n": job.options["n"]})')
    jobs = [job(tmp_path, "prints", f"j{n}", n=n) for n in range(3)]
    said = talk(*(path for _, path in jobs))
    assert said.messages == [{"done": "j0"}, {"done": "j1"}, {"done": "j2"}]
    assert said.code == 0
    assert said.home_log == ""
    for n, (made, _) in enumerate(jobs):
        assert result_of(made).values == {"n": n}
        assert Path(made.log).read_text() == f"j{n}\nerr\n"


def test_once_means_once(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("fine", "return Outcome()")
    (first, one), (second, two) = job(tmp_path, "fine", "a"), job(tmp_path, "fine", "b")
    assert talk(one, two, arguments=("--once",)).messages == [{"done": "a"}]
    assert Path(first.result).exists()
    assert not Path(second.result).exists()


FAILURES = [
    ('raise errors.UserError("say it")', ("failed", "user_error", True)),
    ('raise errors.Unsupported("no", "int16_io")', ("unsupported", "int16_io", False)),
    ('raise errors.StageFailed("no", "float_ops")', ("failed", "float_ops", False)),
    ("raise MemoryError", ("out_of_memory", "out_of_memory", False)),
    ("os.write(os.open('/dev/full', os.O_WRONLY), b'x')", ("failed", "disk_full", False)),
    ("return Outcome({'x': object()})", ("failed", "type_error", False)),
    ("report.stage('nowhere')", ("failed", "value_error", False)),
    ("return None", ("failed", "attribute_error", False)),
]


@pytest.mark.parametrize(("body", "expected"), FAILURES)
def test_an_exception_is_a_result(
    tmp_path: Path, stage: Any, talk: Talk, body: str, expected: tuple[str, str, bool]
) -> None:
    stage("fails", f'report.stage("audit")\n{body}')
    made, path = job(tmp_path, "fails")
    assert talk(path).messages[-1] == {"done": "j1"}
    failure = result_of(made).failure
    assert failure is not None
    assert (failure.status, failure.reason, failure.user_error) == expected
    assert failure.stage == "audit"
    assert "Traceback" in failure.log_tail
    assert failure.log_tail == Path(made.log).read_text().rstrip("\n")


def test_a_result_that_cannot_be_written_is_said(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("fine", 'return Outcome({"x": 1})')
    made, path = job(tmp_path, "fine")
    Path(path).write_bytes(codec.encode(replace(made, result="/dev/null/result")))
    (message,) = talk(path).messages
    assert message["done"] == "j1"
    assert message["result"]["failure"]["reason"] == "not_a_directory_error"


def test_a_failed_job_keeps_nothing_alive(tmp_path: Path, stage: Any, talk: Talk) -> None:
    """The frames of an exception hold its locals, such as a model: they must go before the next job."""
    stage("fails", """
        import weakref
        class Model: pass
        model = Model()
        sys.modules["kept"] = weakref.ref(model)
        raise ValueError
    """)  # fmt: skip
    stage("looks", 'return Outcome({"gone": sys.modules["kept"]() is None})')
    looked, path = job(tmp_path, "looks", "b")
    talk(job(tmp_path, "fails", "a")[1], path)
    assert result_of(looked).values == {"gone": True}


def test_output_of_libraries_in_c_stays_in_the_log_of_its_job(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("prints", 'import ctypes; ctypes.CDLL(None).printf(b"from C %d\\n", job.options["n"]); return Outcome()')
    jobs = [job(tmp_path, "prints", f"j{n}", n=n) for n in range(2)]
    talk(*(path for _, path in jobs))
    assert [Path(made.log).read_text() for made, _ in jobs] == ["from C 0\n", "from C 1\n"]


def test_limits_are_taken_on(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("tells", """
        import resource
        limits = {name: resource.getrlimit(getattr(resource, name))
                  for name in ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CORE")}
        return Outcome({name: soft for name, (soft, _) in limits.items()}
                       | {"firm": [name for name, (soft, hard) in limits.items() if soft == hard] ==
                                  ["RLIMIT_FSIZE", "RLIMIT_CORE"]}
                       | {"cpus": len(os.sched_getaffinity(0)), "calls": sys.getrecursionlimit()})
    """)  # fmt: skip
    made, path = job(tmp_path, "tells")
    cpu = min(os.sched_getaffinity(0))
    talk(path, arguments=(f"--memory={2**30}", f"--file={2**20}", f"--cpus={cpu}"))
    values = result_of(made).values
    assert values["RLIMIT_AS"] == 2**30 + worker.ADDRESS_HEADROOM
    assert values["RLIMIT_FSIZE"] == 2**20
    assert (values["RLIMIT_CORE"], values["cpus"]) == (0, 1)
    assert values["firm"]
    assert values["calls"] == worker.CALLS_DEEP


def test_a_limit_that_is_lower_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda what: (5, 10))
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: taken.append(limits))
    worker._limit(resource.RLIMIT_AS, 100)
    worker._limit(resource.RLIMIT_AS, 7)
    worker._limit(resource.RLIMIT_AS, 7, firm=False)
    assert taken == [(10, 10), (7, 7), (7, 10)]


def test_the_peak_holds_what_a_job_has_started(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("starts", """
        import subprocess
        code = f"x = bytearray({job.options['size']}); x[::4096] = bytes(len(x[::4096]))"
        subprocess.run([sys.executable, "-c", code], check=True)
        return Outcome()
    """)  # fmt: skip
    jobs = [job(tmp_path, "starts", f"j{n}", size=size) for n, size in enumerate((1, 300 * 2**20, 2))]
    talk(*(path for _, path in jobs))
    small, large, after = (result_of(made).peak_rss_bytes for made, _ in jobs)
    assert large - small > 250 * 2**20
    assert after < large


def test_ctrl_c_is_not_for_workers(tmp_path: Path, stage: Any, talk: Talk) -> None:
    stage("interrupted", "import signal; os.kill(os.getpid(), signal.SIGINT); return Outcome()")
    made, path = job(tmp_path, "interrupted")
    assert talk(path).code == 0
    assert result_of(made).failure is None


def test_it_does_not_live_on_under_a_stranger(talk: Talk) -> None:
    said = talk(arguments=("--parent=1",))
    assert said.code == 1


def test_it_dies_with_its_parent_without_a_guard(tmp_path: Path, stage: Any) -> None:
    stage("hangs", 'report.stage("run"); time.sleep(1000)')
    _, path = job(tmp_path, "hangs")
    program = f"""
import os, subprocess, sys, time
reading, writing = os.pipe()
process = subprocess.Popen([sys.executable, "-m", "harness.runner.worker", f"--control={{writing}}",
    f"--parent={{os.getpid()}}"], stdin=subprocess.PIPE, pass_fds=(writing,), start_new_session=True)
process.stdin.write({path!r}.encode() + b"\\n"); process.stdin.flush()
os.read(reading, 100)
print(process.pid, flush=True)
time.sleep(1000)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT), worker.STAGE_PATH: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env) as parent:
        assert parent.stdout is not None
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    assert poller.poll(30_000)
    os.close(pidfd)


def test_a_job_that_cannot_be_read_ends_it(tmp_path: Path, talk: Talk) -> None:
    (tmp_path / "bad.job").write_text("{")
    said = talk(str(tmp_path / "bad.job"))
    assert said.code == 1
    assert "CodecError" in said.home_log


def test_progress_is_throttled_and_the_end_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    clock = iter([0.0, 0.1, 0.15, 0.3, 0.31])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    reporter = PipeReporter(writing, "source")
    for fraction in (0.1, 0.2, 0.3, 0.4, 1.0):
        reporter.progress(fraction, "x" * 999)
    os.close(writing)
    with os.fdopen(reading) as control:
        messages = [json.loads(line) for line in control]
    assert [message["progress"] for message in messages] == [0.1, 0.4, 1.0]
    assert len(messages[0]["note"]) == 200


def test_starting_is_light() -> None:
    program = "import sys, harness.runner.worker; print(sorted(sys.modules))"
    env = {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env).stdout
    loaded = set(json.loads(said.replace("'", '"')))
    assert not {"numpy", "psutil", "pandas", "tensorflow", "harness.cache", "harness.plugins"} & loaded
