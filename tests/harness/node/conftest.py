"""A program in Python that talks as Node does, and dies in every way that Node may."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.node.process import Node

FAKE = """
import json, os, signal, struct, sys, time

ANSWERS = int(sys.argv[1])

def take(count):
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        sys.exit(0)
    return data

def answer(payload=b"", **content):
    text = json.dumps({**content, "bytes": len(payload)}).encode()
    os.write(ANSWERS, struct.pack("<I", len(text)) + text)
    view = memoryview(payload)
    while view:
        view = view[os.write(ANSWERS, view):]

def say(text):
    print(text, file=sys.stderr, flush=True)

while True:
    request = json.loads(take(struct.unpack("<I", take(4))[0]))
    payload = take(request["bytes"])
    do = request["do"]
    if do == "echo":
        answer(payload, got=request["fields"])
    elif do == "prints":
        print("a library prints", flush=True)
        answer()
    elif do == "throws":
        answer(error={"name": request["name"], "message": request["message"], "stack": "at f (x.js:1)"})
    elif do == "sends":
        os.write(ANSWERS, bytes.fromhex(request["what"]))
    elif do == "dies":
        say(request["words"])
        os.kill(os.getpid(), request["signal"])
    elif do == "exits":
        say(request["words"])
        sys.stderr.flush()
        os._exit(request["code"])
    elif do == "stays":
        answer()
        os.close(0)
        time.sleep(1000)
    elif do == "hangs":
        time.sleep(1000)
"""


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program's file."""
    file = tmp_path_factory.mktemp("fake") / "fake.py"
    file.write_text(FAKE)
    return file


@pytest.fixture
def start(fake: Path) -> Iterator[Callable[[], Node]]:
    """Start the program; every one is ended after the test."""
    started: list[Node] = []

    def begin() -> Node:
        started.append(Node([sys.executable, str(fake), "{answers}"]))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Put programs of these names, in Python, on the path, where nothing else is; each call adds one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, body: str) -> Path:
        file = folder / name
        file.write_text(f"#!{sys.executable}\nimport json, os, pathlib, struct, sys\n{textwrap.dedent(body)}")
        file.chmod(0o755)
        return file

    return write
