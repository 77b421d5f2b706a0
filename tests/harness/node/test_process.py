"""Messages to and from a process, and what is raised when it dies."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import Crashed, StageFailed, Unsupported
from harness.node import process
from harness.node.process import Node, NodeError
from harness.records import Job, Limits
from harness.runner.isolate import Worker

ROOT = Path(process.__file__).parents[2]
Start = Callable[[], Node]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=10)
@given(data=st.data())
def test_what_is_sent_comes_back(fake: Path, data: st.DataObject) -> None:
    node = Node([sys.executable, str(fake), "{answers}"])
    for payload, fields in data.draw(st.lists(st.tuples(st.binary(max_size=2000), JSON), min_size=1, max_size=20)):
        answer, raw = node.ask("echo", payload, fields=fields)
        assert (answer["got"], raw) == (fields, payload)


def test_more_bytes_than_a_pipe_holds(start: Start) -> None:
    payload = bytes(range(256)) * 20_000
    assert start().ask("echo", payload, fields=None)[1] == payload


def test_what_libraries_print_is_no_answer(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    node = start()
    assert node.ask("prints") == ({"bytes": 0}, b"")
    node.close()
    assert "a library prints" in capfd.readouterr().err


def test_what_javascript_threw_has_its_name_and_the_process_goes_on(start: Start) -> None:
    node = start()
    with pytest.raises(NodeError, match=r"^TypeError: no such kernel$"):
        node.ask("throws", name="TypeError", message="no such kernel")
    assert node.ask("echo", fields=1)[0]["got"] == 1


DEATHS: list[tuple[dict[str, Any], type[Exception], str, str]] = [
    ({"do": "dies", "signal": 11, "words": ""}, Crashed, "signal_11", "SIGSEGV"),
    ({"do": "dies", "signal": 9, "words": ""}, Crashed, "killed", "SIGKILL"),
    ({"do": "exits", "code": 3, "words": "file.js:1\nTypeError: x\n    at f"}, StageFailed, "exit_3", "TypeError: x"),
    ({"do": "exits", "code": 0, "words": ""}, StageFailed, "exit_0", "it said nothing"),
    ({"do": "dies", "signal": 6, "words": "FATAL ERROR: JavaScript heap out of memory"}, MemoryError, "", "heap"),
    ({"do": "throws", "name": "RangeError", "message": "Array buffer allocation failed"}, MemoryError, "", "buffer"),
    ({"do": "sends", "what": "ffffffff"}, StageFailed, "bad_answer", "no message"),
    ({"do": "sends", "what": (struct.pack("<I", 2) + b"[]").hex()}, StageFailed, "bad_answer", "no message"),
    ({"do": "sends", "what": (struct.pack("<I", 2) + b"\xff{").hex()}, StageFailed, "bad_answer", "no message"),
    ({"do": "sends", "what": (struct.pack("<I", 12) + b'{"bytes":-1}').hex()}, StageFailed, "bad_answer", "no message"),
]


@pytest.mark.parametrize(("request_", "kind", "reason", "words"), DEATHS, ids=lambda one: str(one)[:40])
def test_each_death_has_its_name(
    start: Start, request_: dict[str, Any], kind: type[Exception], reason: str, words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        start().ask(**request_)
    assert getattr(caught.value, "reason", "") == reason


def test_a_dead_process_stays_dead(start: Start) -> None:
    node = start()
    for _ in range(2):
        with pytest.raises(Crashed, match="SIGKILL"):
            node.ask("dies", signal=9, words="")


def test_a_program_that_is_not_there_says_what_helps() -> None:
    with pytest.raises(Unsupported, match="apt-get install nodejs") as caught:
        Node(["/no/such/node", "{answers}"])
    assert caught.value.reason == "node_missing"


def test_it_ends_with_its_object(fake: Path) -> None:
    node = Node([sys.executable, str(fake), "{answers}"])
    pid = node.pid
    del node
    assert not Path(f"/proc/{pid}").exists()


def test_one_that_does_not_end_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_ENDS_S", 0.2)
    node = start()
    node.ask("stays")
    node.close()
    node.close()
    assert not Path(f"/proc/{node.pid}").exists()


def test_it_may_reserve_more_address_space_than_we(fake: Path) -> None:
    """V8 reserves 10 GB for a WebAssembly memory; a worker's own soft limit is often less."""
    code = f"""if True:
        import resource, sys
        from harness.node.process import Node
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (2**32, most))
        node = Node([sys.executable, {str(fake)!r}, "{{answers}}"])
        assert resource.prlimit(node.pid, resource.RLIMIT_AS) == (most, most)
        assert most > 2**32 or most == resource.RLIM_INFINITY
    """
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT)})


def test_no_hanging_process_is_left_when_its_worker_is_ended(fake: Path, tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text(
        "import sys\n"
        "from harness.node.process import Node\n"
        "def run(job, report):\n"
        "    report.stage('load')\n"
        f"    node = Node([sys.executable, {str(fake)!r}, '{{answers}}'])\n"
        "    report.progress(0.5, str(node.pid))\n"
        "    node.ask('hangs')\n"
    )
    files = {name: str(tmp_path / name) for name in ("out", "result.json", "log")}
    job = Job("j", "waits", {}, {}, files["out"], files["result.json"], files["log"], Limits(60, 2**30, 2**30))
    env = {"HARNESS_STAGE_PATH": str(tmp_path)}
    worker = Worker(sys.executable, tmp_path / "w", memory_bytes=2**30, file_bytes=2**30, env=env)
    try:
        worker.submit(job)
        deadline = time.monotonic() + 60
        while worker.progress is None and time.monotonic() < deadline:
            assert worker.poll() is None
            time.sleep(0.05)
        assert worker.progress is not None
        pid = int(worker.progress[1])
        assert Path(f"/proc/{pid}").exists()
        failure = worker.kill("timeout", "timeout", "stage load took longer than 1 s").failure
    finally:
        worker.close()
    assert failure is not None
    assert (failure.status, failure.stage) == ("timeout", "load")
    assert state(pid) in "ZX"


def state(pid: int) -> str:
    """Return Z for a zombie that nobody has reaped, X for no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"
