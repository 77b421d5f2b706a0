"""Environments of toolchains: made whole or not at all, by a uv that the test brings along; one for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import cli, locks, provisioning, store, toolchains
from harness.errors import Unsupported, UserError

UV = f"""#!{sys.executable}
import os, pathlib, subprocess, sys
words = sys.argv[1:]
with open(os.environ["FAKE_UV_LOG"], "a") as log: log.write(" ".join(words) + "\\n")
if os.environ.get("FAKE_UV_SAYS"): sys.exit(os.environ["FAKE_UV_SAYS"])
if words[0] == "venv":
    sys.exit(subprocess.run([sys.executable, "-m", "venv", "--without-pip", words[-1]]).returncode)
env = pathlib.Path(words[words.index("--python") + 1]).parents[1]
site, = env.glob("lib/python*/site-packages")
for line in pathlib.Path(words[-1]).read_text().split():
    name, version = line.split("==")
    info = site / f"{{name}}-{{version}}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: {{version}}\\n")
    (site / f"{{name}}.py").write_text("import missing\\n" if name == "broken" else "")
"""
SET = """python: null
wants: [Some_Thing]
imports: [{imports}]
packages: [{packages}]
"""
Log = Callable[[], list[str]]


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with the toolchains default and old."""
    folder = tmp_path / "conf" / "toolchain"
    folder.mkdir(parents=True)
    (folder / "default.yaml").write_text("python: null\n")
    write(folder, "old", packages="Some_Thing==1.2")
    monkeypatch.setattr(toolchains, "conf_dir", lambda: folder.parent)
    toolchains.get.cache_clear()
    return folder


@pytest.fixture(autouse=True)
def _forget() -> None:
    toolchains.get.cache_clear()


def write(folder: Path, name: str, *, packages: str, imports: str = "Some_Thing") -> None:
    (folder / f"{name}.yaml").write_text(SET.format(packages=packages, imports=imports))
    toolchains.get.cache_clear()


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Put a uv on the path that needs no network; return a function that lists what it was called with."""
    folder, log = tmp_path / "bin", tmp_path / "uv.log"
    folder.mkdir()
    (folder / "uv").write_text(UV)
    (folder / "uv").chmod(0o755)
    log.write_text("")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_UV_LOG", str(log))
    return lambda: log.read_text().splitlines()


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "toolchains").iterdir())


def test_a_toolchain_that_is_not_there_says_what_helps(conf: Path, tmp_path: Path) -> None:
    for look in (toolchains.python, toolchains.versions):
        with pytest.raises(Unsupported, match=r"harness toolchain sync old") as caught:
            look("old", root=tmp_path)
        assert caught.value.reason == "toolchain_missing"


def test_the_default_is_this_environment(conf: Path, tmp_path: Path) -> None:
    assert toolchains.python("default", root=tmp_path) == Path(sys.executable) == toolchains.sync("default")
    assert toolchains.versions("default")["msgspec"] == provisioning.importlib.metadata.version("msgspec")


def test_sync_makes_the_environment_once(conf: Path, tmp_path: Path, uv: Log) -> None:
    said: list[str] = []
    python = toolchains.sync("old", root=tmp_path, say=said.append)
    assert python == toolchains.python("old", root=tmp_path)
    assert toolchains.versions("old", root=tmp_path) == {"some-thing": "1.2"}
    own = [str(python), "-c", "import sys, Some_Thing; print(Some_Thing.__file__, sys.prefix)"]
    answer = subprocess.run(own, capture_output=True, text=True, check=True).stdout
    assert answer.count(str(python.parents[1])) == 2
    assert len(said) == 1
    calls = len(uv())
    assert toolchains.sync("old", root=tmp_path, say=said.append) == python
    assert (len(uv()), len(said)) == (calls, 1)


def test_a_changed_set_is_another_environment(conf: Path, tmp_path: Path, uv: Log) -> None:
    first = toolchains.sync("old", root=tmp_path)
    write(conf, "old", packages="Some_Thing==1.3")
    with pytest.raises(Unsupported):
        toolchains.python("old", root=tmp_path)
    second = toolchains.sync("old", root=tmp_path)
    assert first.is_file()
    assert first != second
    assert toolchains.versions("old", root=tmp_path) == {"some-thing": "1.3"}


@pytest.mark.parametrize("damage", ["made.json", "bin/python", "lib"])
def test_a_damaged_environment_is_made_anew(conf: Path, tmp_path: Path, uv: Log, damage: str) -> None:
    python = toolchains.sync("old", root=tmp_path)
    hurt = python.parents[1] / damage
    shutil.rmtree(hurt) if hurt.is_dir() else hurt.unlink()
    assert toolchains.sync("old", root=tmp_path) == python
    assert toolchains.versions("old", root=tmp_path) == {"some-thing": "1.2"}
    assert len(left(tmp_path)) == 1


def test_what_a_dead_process_left_goes(conf: Path, tmp_path: Path, uv: Log) -> None:
    name = toolchains.folder("old", root=tmp_path).name
    for torn in (f"{name}.0123abcd", "old-000000000000.4567cdef"):
        (tmp_path / "toolchains" / torn / "bin").mkdir(parents=True)
    (tmp_path / "toolchains" / "older-1.2").mkdir()
    toolchains.sync("old", root=tmp_path)
    assert left(tmp_path) == [name, "older-1.2"]


@pytest.mark.parametrize(
    ("packages", "imports", "message"),
    [
        ("broken==1", "broken", "does not work here.*No module named 'missing'"),
        ("Some_Thing==1.2", "other", "does not work here.*No module named 'other'"),
    ],
)
def test_what_does_not_import_is_not_kept(
    conf: Path, tmp_path: Path, uv: Log, packages: str, imports: str, message: str
) -> None:
    write(conf, "bad", packages=packages, imports=imports)
    with pytest.raises(UserError, match=message) as caught:
        toolchains.sync("bad", root=tmp_path)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


def test_a_package_that_uv_did_not_install_is_noticed(
    conf: Path, tmp_path: Path, uv: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(conf, "bad", packages="Some_Thing==1.2, Other==3")
    monkeypatch.setattr(provisioning, "installed", lambda folder: {"some-thing": "1.3"})
    with pytest.raises(UserError, match=r"some-thing==1\.2, other==3 are not in it"):
        toolchains.sync("bad", root=tmp_path)
    assert left(tmp_path) == []


def test_without_a_network_uv_says_why(conf: Path, tmp_path: Path, uv: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_UV_SAYS", "error: Failed to fetch\n  Caused by: dns error")
    with pytest.raises(UserError, match=r"must be reachable once\); uv: error: Failed to fetch Caused by: dns error$"):
        toolchains.sync("old", root=tmp_path)
    assert left(tmp_path) == []


def test_without_uv_the_way_to_it_is_told(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning.shutil, "which", lambda name: None)
    monkeypatch.setattr(provisioning.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs uv.*pip install uv"):
        toolchains.sync("old", root=tmp_path)


def test_a_cache_that_is_a_file_is_one_line(conf: Path, tmp_path: Path, uv: Log) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache folder .*file cannot be used"):
        toolchains.sync("old", root=tmp_path / "file")


def test_a_full_disk_leaves_nothing_half(conf: Path, tmp_path: Path, uv: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(provisioning.files, "write_atomic", full)
        with pytest.raises(UserError, match="No space left on device"):
            toolchains.sync("old", root=tmp_path)
    assert left(tmp_path) == []
    assert toolchains.sync("old", root=tmp_path).is_file()


def test_two_at_once_make_one(conf: Path, tmp_path: Path, uv: Log) -> None:
    lock = locks.Lock(tmp_path / "locks" / "toolchain-old.lock")
    lock.path.parent.mkdir()
    lock.acquire()
    said: list[str] = []
    waiting = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waiting.set()

    made: list[Path] = []
    other = threading.Thread(target=lambda: made.append(toolchains.sync("old", root=tmp_path, say=say)))
    other.start()
    assert waiting.wait(20)
    assert uv() == []
    lock.release()
    other.join(60)
    assert made == [toolchains.python("old", root=tmp_path)]
    assert said[0] == f"process {os.getpid()} makes toolchain old: waiting for it"


def test_an_unknown_name_is_told(conf: Path, tmp_path: Path) -> None:
    for look in (toolchains.python, toolchains.versions, toolchains.sync):
        with pytest.raises(UserError, match="'odl' does not exist; did you mean 'old'"):
            look("odl", root=tmp_path)


def test_a_set_with_a_hole_is_told(conf: Path) -> None:
    write(conf, "loose", packages="'numpy>=1'")
    with pytest.raises(UserError, match=r"conf/toolchain/loose\.yaml: packages: 'numpy>=1' is no pin"):
        toolchains.get("loose")


@pytest.mark.parametrize("name", toolchains.names())
def test_the_shipped_sets_are_complete(name: str) -> None:
    wanted = toolchains.get(name)
    pins = provisioning.pins(wanted)
    assert len(pins) == len(wanted.packages)
    for want in wanted.wants:
        assert provisioning.re.match(r"[\w.-]+", want)[0] in pins
    if name != toolchains.DEFAULT:
        assert wanted.python == "3.11"
        assert {"msgspec", "numpy", "tensorflow"} <= set(pins), "what a worker needs"


@given(st.lists(st.sampled_from("ab-_."), min_size=1).map("".join))
def test_a_name_has_one_spelling(name: str) -> None:
    once = provisioning.canonical(name)
    assert provisioning.canonical(once) == once
    assert provisioning.canonical(name.upper().replace("-", "_")) == once


def test_the_command_lists_and_makes(conf: Path, tmp_path: Path, uv: Log, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dir", str(tmp_path)]
    assert cli.main(["toolchain", *words]) == 0
    before = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in before] == [["default", "installed"], ["old", "not"]]
    assert cli.main(["toolchain", "sync", "old", *words]) == 0
    assert capsys.readouterr().out == f"{toolchains.python('old', root=tmp_path)}\n"
    assert cli.main(["toolchain", "list", *words]) == 0
    assert "old      installed  Some_Thing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [(["sync"], "say which one; allowed: default, old"), (["sync", "x"], "'x' does not exist"), (["make"], "make")],
)
def test_the_command_tells_mistakes(
    conf: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["toolchain", *words, "--dir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.slow
def test_tf215_is_installed_and_converts_for_real(tmp_path: Path) -> None:
    python = toolchains.sync("tf215", root=tmp_path)
    code = "import tensorflow, tf2onnx; print(tensorflow.__version__, tf2onnx.__version__)"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2.15.1", "1.16.1"]
    assert toolchains.versions("tf215", root=tmp_path).items() >= provisioning.pins(toolchains.get("tf215")).items()
    # fmt: off
    words = ["model=mobilenet_v2", "model.mobilenet_v2.input_size=32", "quant=int8", "export=[tflite,onnx,onnx_qdq]",
             "runtime=[cpu,onnxruntime]", "task=photos", "measure=quick", "toolchain=[default,tf215]", "run_id=real",
             f"results_dir={tmp_path / 'results'}", f"reports_dir={tmp_path / 'reports'}", f"cache_dir={tmp_path}"]
    # fmt: on
    subprocess.run([sys.executable, "-m", "harness", *words], check=True)
    records = store.read(tmp_path / "results" / "real")
    ran = {name: {r.cell.id.removesuffix(f"/{name}") for r in records if r.cell.toolchain == name and r.status in
                  ("ok", "noisy")} for name in ("default", "tf215")}  # fmt: skip
    assert len(ran["default"]) == 5, "float: three exports; int8: two"
    assert ran["default"] == ran["tf215"]
    assert "tensorflow | 2." in (tmp_path / "reports" / "real" / "versions.md").read_text()
