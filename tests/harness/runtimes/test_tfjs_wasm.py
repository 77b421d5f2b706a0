"""TensorFlow.js in Node: with a program in Python in Node's place, and with Node itself where it is here."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed, Unsupported
from harness.node import packages
from harness.node.process import NodeError
from harness.runtimes import tfjs_wasm
from harness.runtimes.tfjs_wasm import Options

FAKE = """
import array, json, os, struct, sys, time

ANSWERS = int(sys.argv[1])
about = None

def take(count):
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        sys.exit(0)
    return data

def answer(payload=b"", **content):
    text = json.dumps({**content, "bytes": len(payload)}).encode()
    os.write(ANSWERS, struct.pack("<I", len(text)) + text + payload)

while True:
    request = json.loads(take(struct.unpack("<I", take(4))[0]))
    payload = take(request["bytes"])
    if request["do"] == "start":
        answer(versions={"node": "v1"}, simd=request["simd"] and not os.environ.get("NO_SIMD"))
    elif request["do"] == "load":
        about = json.loads(open(request["file"]).read())
        answer(load_ns=5_000_000, **about)
    elif request["do"] == "set":
        image, shape = array.array("f", payload), request["shape"]
        answer()
    elif request["do"] == "run":
        names = request["outputs"]
        answer(wall_ns=2_000_000, cpu_ns=1_500_000)
    else:
        values = {"total": [sum(image)], "pair": [image[0], image[-1]], "whole": list(image)}
        outputs = [{"name": one, "shape": [1, len(values[one])]} for one in names]
        answer(array.array("f", [v for one in names for v in values[one]]).tobytes()[about.get("cut", 0):],
               outputs=outputs)
"""
IMAGE = {"name": "image", "shape": [1, 2, 2, 1], "dtype": "DT_FLOAT"}
OUTPUTS = [{"name": "pair", "shape": [-1, 2], "dtype": "DT_FLOAT"}, {"name": "total", "shape": None, "dtype": "int32"}]
Write = Callable[..., Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Put a program in Node's place; write what a model says of itself."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr(packages, "ensure", lambda: tmp_path)
    monkeypatch.setattr(packages, "command", lambda folder: [sys.executable, str(folder / "fake.py"), "{answers}"])

    def write(**changes: Any) -> Path:
        file = tmp_path / "model.json"
        file.write_text(json.dumps({"inputs": [IMAGE], "outputs": OUTPUTS, **changes}))
        return file

    return write


def test_outputs_come_under_their_names(fake: Write) -> None:
    session = tfjs_wasm.open_session(fake(), Options(), 1)
    assert [(one.name, one.shape, one.dtype) for one in session.inputs] == [("image", (1, 2, 2, 1), "float32")]
    assert {one.name: one.shape for one in session.outputs} == {"pair": (1, 2), "total": (1, -1)}
    found = session.run(np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1))
    assert {name: value.tolist() for name, value in found.items()} == {"pair": [[1, 4]], "total": [[10]]}
    assert all(value.dtype == np.float32 for value in found.values())
    assert session.coverage() == {}


def test_times_are_those_that_node_took(fake: Write) -> None:
    session = tfjs_wasm.open_session(fake().parent, Options(), 1)
    session.prepare(np.zeros((1, 2, 2, 1), np.float32))
    for _ in range(3):
        session.invoke()
    there = session.elsewhere
    assert (there.load_ms, there.wall(), there.cpu(), there.versions) == (5.0, 6_000_000, 4_500_000, {"node": "v1"})
    assert Path(f"/proc/{there.pid}").exists()


def test_the_process_ends_with_the_session(fake: Write) -> None:
    session = tfjs_wasm.open_session(fake(), Options(), 1)
    pid = session.elsewhere.pid
    del session
    assert not Path(f"/proc/{pid}").exists()


FREE = {**IMAGE, "shape": [-1, 2, 2, 1]}
REFUSED: list[tuple[dict[str, Any], Options, int, str]] = [
    ({}, Options(), 2, "threads"),
    ({}, Options(batch=2), 1, "fixed_batch"),
    ({"inputs": [FREE]}, Options(batch=2), 1, ""),
    ({"inputs": [IMAGE, IMAGE]}, Options(), 1, "several_inputs"),
    ({"inputs": []}, Options(), 1, "several_inputs"),
    ({"inputs": [{**IMAGE, "dtype": "DT_STRING"}]}, Options(), 1, "unknown_dtype"),
]


@pytest.mark.parametrize(("about", "options", "threads", "reason"), REFUSED)
def test_what_cannot_be_is_refused(
    fake: Write, about: dict[str, Any], options: Options, threads: int, reason: str
) -> None:
    if not reason:
        assert tfjs_wasm.open_session(fake(**about), options, threads).inputs[0].shape == (2, 2, 2, 1)
        return
    with pytest.raises(Unsupported) as caught:
        tfjs_wasm.open_session(fake(**about), options, threads)
    assert caught.value.reason == reason


def test_a_node_without_vector_instructions(fake: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_SIMD", "1")
    with pytest.raises(Unsupported) as caught:
        tfjs_wasm.open_session(fake(), Options(), 1)
    assert caught.value.reason == "no_simd"
    assert tfjs_wasm.open_session(fake(), Options(simd=False), 1).outputs


def test_outputs_that_do_not_come_out_even(fake: Write) -> None:
    session = tfjs_wasm.open_session(fake(cut=4), Options(), 1)
    with pytest.raises(StageFailed) as caught:
        session.run(np.zeros((1, 2, 2, 1), np.float32))
    assert caught.value.reason == "bad_answer"


def test_the_key_of_a_result_knows_node_and_the_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    tfjs_wasm.machine.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    assert tfjs_wasm.machine() == {"node": None, "packages": packages.digest()}
    tfjs_wasm.machine.cache_clear()


# -- with Node ---------------------------------------------------------------------------------------------------------

HEAD = np.random.default_rng(5).normal(size=(4, 3)).astype(np.float32)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with TensorFlow.js in it; skips where Node, npm or the network is missing."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed here")
    root = tmp_path_factory.mktemp("tfjs")
    try:
        packages.ensure(root)
    except Unsupported as error:
        pytest.skip(str(error))
    return root


@pytest.fixture
def real(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions find TensorFlow.js installed."""
    folder = packages.ensure(installed)
    monkeypatch.setattr(packages, "ensure", lambda: folder)


def _node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": {"T": {"type": "DT_FLOAT"}, **attributes}}


def _dims(*sizes: int) -> dict[str, Any]:
    return {"dim": [{"size": str(size)} for size in sizes]}


def graph_model(folder: Path, **changes: Any) -> Path:
    """Write logits = image @ HEAD and scores = softmax(logits) as a graph model in two shards; return model.json."""
    floats, ints = {"type": "DT_FLOAT"}, {"type": "DT_INT32"}
    nodes = [
        _node("image", "Placeholder", dtype=floats, shape={"shape": _dims(1, 2, 2, 1)}),
        _node("shape", "Const", dtype=ints),
        _node("head", "Const", dtype=floats),
        _node("flat", "Reshape", "image", "shape", Tshape=ints),
        _node("product", "MatMul", "flat", "head", transpose_a={"b": False}, transpose_b={"b": False}),
        _node("Identity", "Identity", "product"),
        _node("Identity_1", changes.get("op", "Softmax"), "product"),
    ]
    weights = [{"name": "shape", "shape": [2], "dtype": "int32"}, {"name": "head", "shape": [4, 3], "dtype": "float32"}]
    content = struct.pack("<2i", 1, 4) + HEAD.tobytes()
    shards = changes.get("shards", ["a.bin", "b.bin"])
    signature = {
        "inputs": {"photo": {"name": "image:0", "dtype": "DT_FLOAT", "tensorShape": _dims(1, 2, 2, 1)}},
        "outputs": {name: {"name": tensor, "dtype": "DT_FLOAT", "tensorShape": _dims(1, 3)}
                    for name, tensor in {"scores": "Identity_1:0", "a/logits": "Identity:0"}.items()},
    }  # fmt: skip
    model = {"format": "graph-model", "modelTopology": {"node": nodes, "versions": {"producer": 1}},
             "weightsManifest": [{"paths": shards, "weights": weights}], "signature": signature}  # fmt: skip
    folder.mkdir()
    for name, part in zip(("a.bin", "b.bin"), (content[:20], content[20:]), strict=True):
        (folder / name).write_bytes(part)
    (folder / "model.json").write_text(json.dumps(model))
    return folder / "model.json"


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("simd", [True, False])
def test_node_computes_it(tmp_path: Path, simd: bool) -> None:
    session = tfjs_wasm.open_session(graph_model(tmp_path / "m").parent, Options(simd=simd), 1)
    assert [(one.name, one.shape) for one in session.inputs] == [("photo", (1, 2, 2, 1))]
    for image in np.random.default_rng(1).normal(size=(3, 1, 2, 2, 1)).astype(np.float32):
        found = session.run(image)
        logits = image.reshape(1, 4) @ HEAD
        np.testing.assert_allclose(found["a/logits"], logits, atol=1e-5)
        np.testing.assert_allclose(found["scores"], np.exp(logits) / np.exp(logits).sum(), atol=1e-5)
    before = session.elsewhere.wall()
    session.invoke()
    assert 0 < session.elsewhere.wall() - before < 10**9
    assert session.elsewhere.cpu() > 0
    assert session.elsewhere.load_ms > 0
    assert set(session.elsewhere.versions) == {"node", "tfjs", "wasm"}


@pytest.mark.usefixtures("real")
def test_an_operator_that_is_not_there_is_named(tmp_path: Path) -> None:
    session = tfjs_wasm.open_session(graph_model(tmp_path / "m", op="NoSuchOp"), Options(), 1)
    with pytest.raises(NodeError, match="NoSuchOp"):
        session.run(np.zeros((1, 2, 2, 1), np.float32))


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    "shards", [["../secret.bin", "b.bin"], ["a.bin", "link.bin"], ["a.bin"], ["a.bin", "none.bin"]]
)
def test_shards_are_plain_files_beside_the_model_and_whole(tmp_path: Path, shards: list[str]) -> None:
    file = graph_model(tmp_path / "m", shards=shards)
    (tmp_path / "secret.bin").write_bytes((file.parent / "a.bin").read_bytes())
    (file.parent / "link.bin").symlink_to(file.parent / "b.bin")
    with pytest.raises(NodeError):
        tfjs_wasm.open_session(file, Options(), 1)


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"modelTopology": {}}', '{"modelTopology": {"node": []}}'])
def test_a_file_that_is_no_graph_model(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises((NodeError, Unsupported)):
        tfjs_wasm.open_session(tmp_path / "model.json", Options(), 1)
