"""The store under faults: no record lost, torn or doubled, whoever fails or dies."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import codec, files
from harness.errors import UserError
from harness.records import RECORD_VERSION, Cell, Record
from harness.store import Store, StoreFull, read

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.text(max_size=5), PLAIN | st.text(max_size=20), max_size=4)


def record(key: str, **values: Any) -> Record:
    cell = Cell("resnet50", "resnet", "int8", "tflite", "cpu", 1, "digits")
    return Record(
        version=RECORD_VERSION, run="r", cell=cell, key=key, status="ok", stage="latency", failure=None,
        options={}, values=values, missing={}, details={}, artifact=None, artifact_sha256=None,
        fingerprint="f", reproduce="", logs={}, started_at="2026-11-01T00:00:00Z", seconds=1.0,
    )  # fmt: skip


def keys(store: Store) -> list[str]:
    return [one.key for one in store.records]


def lines(folder: Path) -> list[bytes]:
    return (folder / "records.jsonl").read_bytes().splitlines(keepends=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(VALUES, max_size=4))
def test_what_goes_in_comes_out(contents: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = [record(f"k{n}") for n, _ in enumerate(contents)]
        with Store(folder) as store:
            for one, values in zip(written, contents, strict=True):
                one.values.update(values)
                store.append(one)
            assert store.records == written
        with Store(folder) as later:
            assert later.records == written
            assert later.damaged == 0
        assert read(folder) == written


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_cut_anywhere_loses_only_what_was_cut(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder) as store:
            for n in range(3):
                store.append(record(f"k{n}"))
        content = (folder / "records.jsonl").read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        (folder / "records.jsonl").write_bytes(content[:cut])
        whole = content[: cut + 1].count(b"\n")  # a record without its newline is whole too
        with Store(folder) as later:
            assert keys(later) == [f"k{n}" for n in range(whole)]
            assert later.damaged == 0
            later.append(record("next"))
        torn = folder / "records.torn"
        kept = content[:cut].rpartition(b"\n")[2] if cut and content[cut : cut + 1] != b"\n" else b""
        assert (torn.read_bytes() if torn.exists() else b"") == kept
        assert [one.key for one in read(folder)] == [f"k{n}" for n in range(whole)] + ["next"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_byte_is_never_believed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder) as store:
            for n in range(3):
                store.append(record(f"k{n}"))
        content = bytearray((folder / "records.jsonl").read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        (folder / "records.jsonl").write_bytes(content)
        with Store(folder) as later:
            assert all(one == record(one.key) for one in later.records)
            assert 1 <= len(later.records) <= 3
            found = keys(later)
            assert found == sorted(set(found))


def test_a_damaged_line_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for n in range(3):
            store.append(record(f"k{n}"))
    first, second, third = lines(tmp_path)
    bad = second.replace(b'"k1"', b'"kX"')
    (tmp_path / "records.jsonl").write_bytes(first + bad + third)
    for damaged in (1, 0):
        with Store(tmp_path) as later:
            assert keys(later) == ["k0", "k2"]
            assert later.damaged == damaged
    assert (tmp_path / "records.damaged").read_bytes() == bad
    assert not (tmp_path / "records.torn").exists()


def test_what_was_set_aside_before_is_kept(tmp_path: Path) -> None:
    for torn in (b'{"one', b'{"two'):
        with (tmp_path / "records.jsonl").open("ab") as file:
            file.write(torn)
        with Store(tmp_path) as store:
            assert store.records == []
    assert (tmp_path / "records.torn").read_bytes() == b'{"one{"two'


def test_records_of_a_newer_harness_are_left_alone(tmp_path: Path) -> None:
    line = codec.encode_record(record("k")).replace(b'"version":1', b'"version":99')
    body = line.rpartition(b',"checksum":"')[0] + b"}"
    line = codec.encode_record(codec.decode(body, dict)) + b"\n"  # type: ignore[arg-type]
    (tmp_path / "records.jsonl").write_bytes(line)
    with pytest.raises(UserError, match="version 99"):
        Store(tmp_path).open()
    assert lines(tmp_path) == [line]
    with pytest.raises(UserError, match="version 99"):
        Store(tmp_path).open()  # the lock was given back


def test_two_harnesses_never_write_one_folder(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(UserError, match=rf"process {os.getpid()}.*run_id="):
        Store(tmp_path).open()
    with Store(tmp_path) as later:
        later.append(record("k"))


def test_a_folder_that_cannot_be_made_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="results_dir=") as caught:
        Store(tmp_path / "file" / "run").open()
    assert str(tmp_path / "file" / "run") in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_user_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="results_dir="):
        Store(tmp_path / "run").open()


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        Store(tmp_path).append(record("k"))


def test_json_files(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        path = store.write_json("config.json", {"a": [1, None], "cell": record("k").cell})
        assert store.read_json("config.json")["cell"]["model"] == "resnet50"
        assert path.read_text().startswith('{\n  "a"')
        assert store.read_json("none.json") is None
        for name in ("../out.json", ".hidden", "a/b"):
            with pytest.raises(ValueError, match="cannot name"):
                store.write_json(name, {})
        path.write_text("{")
        with pytest.raises(codec.CodecError):
            store.read_json("config.json")


def test_reading_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(record("k"))
        with (tmp_path / "records.jsonl").open("ab") as file:
            file.write(b'{"torn')
        before = (tmp_path / "records.jsonl").read_bytes()
        assert [one.key for one in read(tmp_path)] == ["k"]
        assert (tmp_path / "records.jsonl").read_bytes() == before
    with pytest.raises(UserError, match="not the folder of a run"):
        read(tmp_path / "none")


def attempt(folder: Path) -> list[str]:
    """Append k0…k2 as a run would that starts again: what is there is not done again. Return what was promised."""
    promised: list[str] = []
    try:
        with Store(folder) as store:
            promised += keys(store)
            for key in ("k0", "k1", "k2"):
                if key not in promised:
                    store.append(record(key))
                    promised.append(key)
            store.write_json("summary.json", promised)
    except (UserError, OSError):
        return promised
    return promised


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("before", [b"", b'{"torn'])
def test_whichever_operation_fails_nothing_is_lost(tmp_path: Path, each_fault: Any, error: int, before: bytes) -> None:
    for number, fault in enumerate(each_fault(error)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "records.jsonl").write_bytes(before)
        promised = attempt(folder)
        fault.disarm()
        assert fault.struck or promised == ["k0", "k1", "k2"]
        kept = [one.key for one in read(folder)]
        assert kept == promised
        assert attempt(folder) == ["k0", "k1", "k2"]
        assert [one.key for one in read(folder)] == ["k0", "k1", "k2"]
        assert not list(folder.glob(".*.json*"))


def test_a_full_disk_is_told_and_leaves_no_torn_line(tmp_path: Path, each_fault: Any) -> None:
    with Store(tmp_path) as store:
        for number, fault in enumerate(each_fault()):
            before = keys(store)
            said = ""
            try:
                store.append(record(f"n{number}"))
            except StoreFull as caught:
                said = str(caught)
            assert (f"{len(before)} records are safe" in said) == fault.struck
            assert keys(store) == before + ([] if fault.struck else [f"n{number}"])
            assert lines(tmp_path) == [codec.encode_record(one) + b"\n" for one in store.records]
    with Store(tmp_path) as later:
        assert later.damaged == 0
        assert not (tmp_path / "records.torn").exists()


def test_a_real_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files is the full disk that a test can have without being root."""
    program = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from harness.store import Store, StoreFull
from harness import codec
from harness.records import Record
line = Path(sys.argv[3]).read_bytes()
one = codec.decode_record(line)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store(Path(sys.argv[1])) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * len(line) + 100, 3 * len(line) + 100))
    for n in range(10):
        try:
            store.append(one)
        except StoreFull as error:
            print(n, error)
            break
"""
    (tmp_path / "line").write_bytes(codec.encode_record(record("k")))
    root = str(Path(files.__file__).parents[1])
    command = [sys.executable, "-c", program, str(tmp_path / "run"), root, str(tmp_path / "line")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("3 no room in")
    assert len(lines(tmp_path / "run")) == 3
    assert len(read(tmp_path / "run")) == 3


PROGRAM = """
import sys
from pathlib import Path
from harness import codec
from harness.store import Store
one = codec.decode(Path(sys.argv[2]).read_bytes(), __import__("harness.records").records.Record)
from dataclasses import replace
with Store(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    done = {r.key for r in store.records}
    for n in range(10**9):
        if f"k{n}" not in done:
            store.append(replace(one, key=f"k{n}"))
            print(n, flush=True)
"""


@pytest.mark.parametrize("kills", [15, pytest.param(120, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    folder, template = tmp_path / "run", tmp_path / "template"
    template.write_bytes(codec.encode(record("k", note="x" * 5000)))
    env = {**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[1])}
    said = -1
    for _ in range(kills):
        command = [sys.executable, "-c", PROGRAM, str(folder), str(template)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            numbers = [process.stdout.readline() for _ in range(chance.randrange(4))]
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            numbers += process.stdout.read().splitlines(keepends=True)
        said = max([said, *(int(n) for n in numbers if n.endswith("\n"))])
        found = [one.key for one in read(folder)]
        assert found == [f"k{n}" for n in range(len(found))], "lost, doubled or out of order"
        assert len(found) >= said + 1, "a record that was promised is lost"
    with Store(folder) as store:
        assert store.damaged == 0
        assert len(store.records) > said
    assert said > 0
