"""TensorFlow.js into the cache: once, whole, verified; and what is said where that cannot be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import cache
from harness.errors import StageFailed, Unsupported
from harness.node import __main__ as command
from harness.node import packages, process

Programs = Callable[[str, str], Path]
NPM = """
    calls = pathlib.Path(sys.argv[0]).parent / "npm.log"
    with calls.open("a") as log:
        log.write(" ".join(sys.argv[1:]) + "\\n")
    assert sorted(os.listdir()) == ["package-lock.json", "package.json"]
    package = pathlib.Path("node_modules/@tensorflow/tfjs-backend-wasm/dist")
    package.mkdir(parents=True)
    (package / "main.js").write_text("code")
    (package / "unused.js").write_text("code")
    (package / "backend.wasm").write_text("binary")
"""
NODE = """
    modules, answers = pathlib.Path(sys.argv[2]), int(sys.argv[3])
    size = struct.unpack("<I", sys.stdin.buffer.read(4))[0]
    assert json.loads(sys.stdin.buffer.read(size))["do"] == "start"
    package = modules.resolve() / "node_modules/@tensorflow/tfjs-backend-wasm/dist"
    text = json.dumps({"loaded": [sys.argv[1], str(package / "main.js")], "bytes": 0}).encode()
    os.write(answers, struct.pack("<I", len(text)) + text)
"""


@pytest.fixture
def npm_calls(programs: Programs) -> Callable[[], int]:
    """Put a Node and an npm on the path; return a count of installations."""
    programs("node", NODE)
    log = programs("npm", NPM).parent / "npm.log"
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


def dist(folder: Path) -> Path:
    return folder / "node_modules/@tensorflow/tfjs-backend-wasm/dist"


def test_the_lock_pins_everything_and_names_no_host() -> None:
    text = process.script("package-lock.json").read_text()
    assert "resolved" not in text
    assert "://" not in text
    locked: dict[str, Any] = json.loads(text)["packages"]
    wanted = json.loads(process.script("package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all(one["integrity"].startswith("sha512-") for name, one in locked.items() if name)


def test_it_is_installed_once_and_tried(tmp_path: Path, npm_calls: Callable[[], int]) -> None:
    said: list[str] = []
    first = packages.ensure(tmp_path / "c", said.append)
    assert first == packages.ensure(tmp_path / "c", said.append)
    assert (npm_calls(), len(said)) == (1, 1)
    made = json.loads((first / "made.json").read_text())
    assert sorted(Path(name).name for name in made) == ["backend.wasm", "main.js"]
    assert [one.name for one in first.parent.iterdir()] == [first.name]


def test_a_worker_installs_into_the_cache_of_its_run(
    tmp_path: Path, npm_calls: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.ROOT_VARIABLE, str(tmp_path / "run"))
    assert packages.ensure().is_relative_to(tmp_path / "run")


def _changed(folder: Path) -> None:
    (dist(folder) / "backend.wasm").write_text("other")


def _gone(folder: Path) -> None:
    (dist(folder) / "main.js").unlink()


def _torn(folder: Path) -> None:
    (folder / "made.json").write_text('{"a"')


def _empty(folder: Path) -> None:
    (folder / "made.json").write_text("{}")


@pytest.mark.parametrize("harm", [_changed, _gone, _torn, _empty])
def test_a_damaged_one_is_installed_anew(
    tmp_path: Path, npm_calls: Callable[[], int], harm: Callable[[Path], None]
) -> None:
    folder = packages.ensure(tmp_path)
    harm(folder)
    assert not packages.is_whole(folder)
    packages.ensure(tmp_path)
    assert packages.is_whole(folder)
    assert npm_calls() == 2
    assert (dist(folder) / "backend.wasm").read_text() == "binary"


def test_what_a_dead_process_left_is_removed(tmp_path: Path, npm_calls: Callable[[], int]) -> None:
    (tmp_path / "node/tfjs-000000000000.dead").mkdir(parents=True)
    folder = packages.ensure(tmp_path)
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]


def test_without_node(tmp_path: Path, programs: Programs) -> None:
    with pytest.raises(Unsupported, match="apt-get install nodejs") as caught:
        packages.ensure(tmp_path)
    assert caught.value.reason == "node_missing"
    assert not list(tmp_path.glob("node"))


def test_without_npm(tmp_path: Path, programs: Programs) -> None:
    programs("node", NODE)
    with pytest.raises(Unsupported, match="apt-get install npm") as caught:
        packages.ensure(tmp_path)
    assert caught.value.reason == "packages_missing"


def test_without_a_network(tmp_path: Path, programs: Programs) -> None:
    programs("node", NODE)
    programs("npm", 'sys.exit("npm error code EAI_AGAIN")')
    with pytest.raises(Unsupported, match=r"EAI_AGAIN.*python -m harness\.node") as caught:
        packages.ensure(tmp_path)
    assert caught.value.reason == "packages_missing"
    assert not list((tmp_path / "node").iterdir())


def test_packages_that_do_not_start_are_not_kept(tmp_path: Path, programs: Programs) -> None:
    programs("npm", NPM)
    programs("node", 'sys.exit("SyntaxError: too old a Node")')
    with pytest.raises(StageFailed, match="too old a Node") as caught:
        packages.ensure(tmp_path)
    assert caught.value.reason == "node_packages"
    assert not list((tmp_path / "node").iterdir())


def test_the_command(tmp_path: Path, npm_calls: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--dir", str(tmp_path)]) == 0
    assert Path(capsys.readouterr().out.strip()).parent == tmp_path / "node"
    (tmp_path / "file").touch()
    assert command.main(["--dir", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
