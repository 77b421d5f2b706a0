"""The cache under faults: an entry is whole or not there, whoever fails, dies or races."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import files
from harness.cache import Cache, Entry, default_root
from harness.errors import StageFailed, UserError
from harness.records import JobResult

NAMES = st.text("abc_.-é ", min_size=1, max_size=8).filter(lambda name: name.strip(".") != "")
PATHS = NAMES.map("f-{}".format) | st.tuples(NAMES, NAMES).map("d-{0[0]}/f-{0[1]}".format)
TREES = st.dictionaries(PATHS, st.binary(max_size=50), max_size=4)
VALUES = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5), max_size=3)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path / "cache") as made:
        yield made


def fill(cache: Cache, tree: dict[str, bytes], key: str = "k1") -> Path:
    folder = cache.begin("export", key)
    for name, data in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def put(cache: Cache, tree: dict[str, bytes], key: str = "k1", **values: Any) -> Entry:
    return cache.commit("export", key, fill(cache, tree, key), JobResult("j", values=values))


def tree_of(entry: Entry) -> dict[str, bytes]:
    return {path.relative_to(entry.path).as_posix(): path.read_bytes() for path in files.walk(entry.path)}


def scratch(cache: Cache) -> list[Path]:
    return list((cache.root / "tmp").glob("*/*"))


@settings(max_examples=30, deadline=None)
@given(TREES, VALUES)
def test_what_goes_in_comes_out(tree: dict[str, bytes], values: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as root:
        with Cache(Path(root)) as cache:
            committed = cache.commit("export", "k1", fill(cache, tree), JobResult("j", values=values, seconds=1.5))
            assert cache.find("export", "k1") == committed
        with Cache(Path(root)) as later:
            found = later.find("export", "k1")
            assert found == committed
            assert found.result == JobResult("j", values=values, seconds=1.5)
            assert tree_of(found) == tree
            assert later.damaged == 0
            assert [(row.kind, row.entries) for row in later.usage()] == [("export", 1)]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_byte_is_never_believed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as root:
        with Cache(Path(root)) as cache:
            entry = put(cache, {"model": b"0123456789", "sub/more": b"abc"}, top1=0.5)
        victim = data.draw(st.sampled_from(list(files.walk(entry.path.parent))))
        content = bytearray(victim.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        victim.write_bytes(content)
        with Cache(Path(root)) as later:
            found = later.find("export", "k1")
            if found is None:
                assert later.damaged == 1
                assert not entry.path.exists()
            else:
                assert found == entry  # the byte was in the name of an empty field
                assert victim.name == "manifest.json"


def lose_manifest(entry: Entry) -> None:
    (entry.path.parent / "manifest.json").unlink()


def lose_file(entry: Entry) -> None:
    (entry.path / "a").unlink()


def lose_data(entry: Entry) -> None:
    files.remove_tree(entry.path)


def truncate(entry: Entry) -> None:
    (entry.path / "a").write_bytes(b"")


def add_file(entry: Entry) -> None:
    (entry.path / "b").write_bytes(b"")


def link_out(entry: Entry) -> None:
    (entry.path / "a").rename(entry.path.parent / "a")
    (entry.path / "a").symlink_to(entry.path.parent / "a")


@pytest.mark.parametrize("damage", [lose_manifest, lose_file, lose_data, truncate, add_file, link_out])
def test_a_damaged_entry_is_removed_and_can_be_built_anew(cache: Cache, damage: Any) -> None:
    damage(put(cache, {"a": b"data"}))
    with Cache(cache.root) as later:
        assert later.find("export", "k1") is None
        assert later.damaged == 1
        assert later.usage() == []
        entry = put(later, {"a": b"new"})
        assert later.find("export", "k1") == entry
        assert tree_of(entry) == {"a": b"new"}


def test_a_damaged_entry_is_replaced_by_whoever_holds_its_lock(cache: Cache) -> None:
    truncate(put(cache, {"a": b"data"}))
    with Cache(cache.root) as later:
        lock = later.lock("export", "k1")
        assert lock is not None
        assert tree_of(put(later, {"a": b"new"})) == {"a": b"new"}
        lock.release()


def test_a_damaged_entry_is_left_to_the_process_that_mends_it(cache: Cache) -> None:
    truncate(put(cache, {"a": b"data"}))
    lock = cache.lock("export", "k1")
    assert lock is not None
    with Cache(cache.root) as later:
        assert later.find("export", "k1") is None
        assert later.damaged == 0
        with pytest.raises(StageFailed, match="cannot be kept"):
            put(later, {"a": b"new"})
    lock.release()


def test_an_entry_that_vanishes_is_not_there(cache: Cache) -> None:
    entry = put(cache, {"a": b""})
    files.remove_tree(entry.path.parent)
    assert cache.find("export", "k1") is None
    assert cache.damaged == 0


def test_the_first_of_two_wins(cache: Cache) -> None:
    with Cache(cache.root) as other:
        late = fill(other, {"a": b"late"})
        first = put(cache, {"a": b"first"})
        assert other.commit("export", "k1", late, JobResult("late")) == first
        assert tree_of(first) == {"a": b"first"}
        assert scratch(cache) == []


def test_a_digest_speaks_of_content_and_not_of_time(cache: Cache) -> None:
    base = put(cache, {"a": b"x"}, "k1", top1=0.5, convert_s=1.0, peak_rss_bytes=7, latency_p50_ms=3.0).digest
    assert put(cache, {"a": b"x"}, "k2", top1=0.5, convert_s=2.0, peak_rss_bytes=8, latency_p50_ms=4.0).digest == base
    assert put(cache, {"a": b"y"}, "k3", top1=0.5).digest != base
    assert put(cache, {"b": b"x"}, "k4", top1=0.5).digest != base
    assert put(cache, {"a": b"x"}, "k5", top1=0.6).digest != base


def test_one_process_builds_an_entry(cache: Cache) -> None:
    with Cache(cache.root) as other:
        lock = cache.lock("export", "k1")
        assert lock is not None
        assert other.lock("export", "k1") is None
        assert other.lock("export", "k2") is not None
        lock.release()
        assert other.lock("export", "k1") is not None


@pytest.mark.parametrize("bad", ["", "..", "a/b", ".hidden", "x" * 200])
def test_names_cannot_leave_the_cache(cache: Cache, bad: str) -> None:
    for kind, key in ((bad, "k1"), ("export", bad)):
        with pytest.raises(ValueError, match="cannot name"):
            cache.find(kind, key)


def test_output_that_is_not_plain_files_is_refused(cache: Cache) -> None:
    folder = cache.begin("export", "k1")
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(StageFailed, match="not a plain file") as caught:
        cache.commit("export", "k1", folder, JobResult("j"))
    assert caught.value.reason == "bad_output"
    assert scratch(cache) == []


def test_only_folders_of_begin_are_deleted(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="begin"):
        cache.abandon(tmp_path)
    folder = fill(cache, {"a": b""})
    cache.abandon(folder)
    assert scratch(cache) == []
    assert tmp_path.exists()


def used_at(entry: Entry, age_s: float) -> None:
    moment = time.time() - age_s
    os.utime(entry.path.parent / "manifest.json", (moment, moment))


def test_prune_takes_the_least_recently_used(cache: Cache) -> None:
    for age, key in ((300, "old"), (200, "found"), (100, "new")):
        used_at(put(cache, {"a": bytes(10_000)}, key), age)
    with Cache(cache.root) as later:
        assert later.find("export", "found") is not None
        assert 10_000 < later.prune(max_bytes=25_000) < 12_000
        assert later.find("export", "old") is None
        assert later.prune(older_than_s=50) > 10_000
        assert later.find("export", "new") is None
        assert later.find("export", "found") is not None
        assert later.damaged == 0


def test_prune_leaves_other_kinds_and_what_is_being_built(cache: Cache) -> None:
    put(cache, {"a": b"x"}, "free")
    put(cache, {"a": b"x"}, "busy")
    cache.commit("source", "k1", cache.begin("source", "k1"), JobResult("j"))
    lock = cache.lock("export", "busy")
    assert lock is not None
    with Cache(cache.root) as other:
        assert other.prune(kind="export", everything=True) > 0
        assert {(row.kind, row.entries) for row in other.usage()} == {("export", 1), ("source", 1)}
        lock.release()
        other.prune(everything=True)
        assert other.usage() == []


def test_prune_without_a_limit_removes_no_entry(cache: Cache) -> None:
    entry = put(cache, {"a": b"x"})
    assert cache.prune() == 0
    assert cache.find("export", "k1") == entry


def test_a_folder_that_cannot_be_used_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cache_dir="):
        Cache(tmp_path / "file" / "cache")


def test_the_default_root_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_root() == Path("/somewhere/zoo-harness")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_root() == Path.home() / ".cache" / "zoo-harness"


@pytest.mark.parametrize(("error", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "cache_error")])
def test_whichever_operation_fails_nothing_is_torn(tmp_path: Path, each_fault: Any, error: int, reason: str) -> None:
    tree = {"a": b"data", "sub/b": b"more"}
    for number, fault in enumerate(each_fault(error)):
        with Cache(tmp_path / str(number)) as cache:
            folder = fill(cache, tree)
            seen = None
            try:
                cache.commit("export", "k1", folder, JobResult("j"))
            except StageFailed as caught:
                seen = caught.reason
            fault.disarm()
            assert seen == (reason if fault.struck else None)
            assert scratch(cache) == []
        with Cache(tmp_path / str(number)) as later:
            found = later.find("export", "k1")
            assert later.damaged == 0
            assert tree_of(found or put(later, tree)) == tree


PROGRAM = """
import sys
from pathlib import Path
from harness.cache import Cache
from harness.records import JobResult
cache = Cache(Path(sys.argv[1]))
print("ready", flush=True)
for n in range(int(sys.argv[2]), 10**9):
    key = f"k{n}"
    folder = cache.begin("export", key)
    (folder / "a").write_bytes(key.encode() * 1000)
    (folder / "b").write_bytes(key.encode())
    cache.commit("export", key, folder, JobResult(key))
    print(n, flush=True)
"""


@pytest.mark.parametrize("kills", [15, pytest.param(120, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    env = {**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[1])}
    said = -1
    for _ in range(kills):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(said + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            lines = [process.stdout.readline() for _ in range(chance.randrange(4))]
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            lines += process.stdout.read().splitlines(keepends=True)
        said = max([said, *(int(line) for line in lines if line.endswith("\n"))])
        with Cache(tmp_path) as cache:
            for n in range(said + 1):
                found = cache.find("export", f"k{n}")
                assert found is not None, f"entry {n} was said to be kept and is lost"
                assert found.result.id == f"k{n}"
            assert cache.damaged == 0
            cache.prune()
            assert [path for path in (tmp_path / "tmp").iterdir() if path.is_dir()] == []
    assert said > 0
