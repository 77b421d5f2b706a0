"""The command ``harness graph transform``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import cli
from harness.graph import graph_def as files


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution with a normalization that folds, and behind a Relu one that cannot."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    with tf.Graph().as_default() as made:
        image = tf.compat.v1.placeholder(tf.float32, (1, 6, 6, 3), "image")
        x = tf.nn.conv2d(image, tf.constant(random.normal(size=(3, 3, 3, 4)).astype(np.float32)), 1, "SAME")
        x = tf.nn.relu(_norm(x, random), "first")
        tf.identity(_norm(x, random), "scores")
        tf.square(image, "unneeded")
    path = tmp_path_factory.mktemp("frozen") / "in.pb"
    path.write_bytes(made.as_graph_def().SerializeToString())
    return path


def _norm(x: Any, random: np.random.Generator) -> Any:
    import tensorflow as tf

    gamma, beta, mean = (tf.constant(random.normal(size=4).astype(np.float32)) for _ in range(3))
    return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, mean, tf.ones((4,)), is_training=False)[0]


def test_every_transform_says_what_it_did_and_loudly_what_it_did_not(
    frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.pb"
    words = ["graph", "transform", str(frozen), str(out), "--inputs", "image", "--outputs", "scores"]
    assert cli.main([*words, "--list", "deployment", "--shape", "1,6,6,3", "--check", "--tolerance", "1e-4"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].startswith('strip_unused_nodes(type=float, shape="1,6,6,3"): ')
    assert "1 nodes removed or set anew" in lines[0]
    assert "fold_batch_norms: 15 → 12 nodes; 1 batch normalizations and products folded" in lines
    assert any(line.startswith("on random inputs 'scores' differs by at most ") for line in lines)
    assert lines[-1] == f"written: {out}"
    assert told.err.splitlines() == [
        "warning: 1 batch normalization left, such as 'FusedBatchNormV3_1': it follows Relu, no convolution and no "
        "matrix product"
    ]
    assert [node.op for node in files.load(out).node].count("FusedBatchNormV3") == 1


def test_a_gate_says_no(frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["graph", "transform", str(frozen), str(tmp_path / "out.pb"), "--outputs", "scores"]
    assert cli.main([*words, "--list", "mobile", "--strict"]) == 1
    assert cli.main([*words, "--transforms", "round_weights(num_steps=2)", "--strict"]) == 0
    assert cli.main([*words, "--transforms", "round_weights(num_steps=2)", "--tolerance", "1e-6"]) == 1
    assert "is more than --tolerance 1e-06" in capsys.readouterr().err


def test_ports_are_those_of_the_file_where_none_are_named(frozen: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pb"
    assert cli.main(["graph", "transform", str(frozen), str(out), "--transforms", "strip_unused_nodes"]) == 0
    assert {node.name for node in files.load(out).node} >= {"image", "scores", "unneeded"}


@pytest.mark.parametrize(("content", "said"), [
    (b"", "the file is empty"),
    (b"half", ""),
    (b"TFL3", ""),
    (b"\x1c\0\0\0TFL3 and so on", "it looks like a TFLite file"),
    (b'{"format": "graph-model"}', "it looks like JSON or text"),
    (b"PK\x03\x04 and so on", "it looks like an archive"),
])  # fmt: skip
def test_a_file_that_is_no_frozen_graph(
    content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.pb"
    path.write_bytes(content)
    refused(["graph", "transform", str(path), str(tmp_path / "out.pb"), "--list", "mobile"],
            f"bad.pb: no frozen graph: {said}", capsys)  # fmt: skip
    assert not (tmp_path / "out.pb").exists()


def test_a_file_that_is_cut_off_anywhere(frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, path = frozen.read_bytes(), tmp_path / "cut.pb"
    for size in range(1, len(whole) - 20, len(whole) // 30):
        path.write_bytes(whole[:size])
        refused(["graph", "transform", str(path), str(tmp_path / "out.pb"), "--outputs", "scores", "--list", "mobile"],
                "error: ", capsys)  # fmt: skip


def test_a_graph_that_waits_for_itself(frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = files.load(frozen)
    next(node for node in content.node if node.op == "Conv2D").input.append("^scores")
    (tmp_path / "bad.pb").write_bytes(content.SerializeToString())
    refused(["graph", "transform", str(tmp_path / "bad.pb"), str(tmp_path / "out.pb"), "--list", "mobile"],
            "bad.pb: no frozen graph: a cycle: ", capsys)  # fmt: skip


@pytest.mark.parametrize(("words", "said"), [
    (["--transforms", "fold"], "there is no transform 'fold'; "),
    (["--transforms", "fold_constants(ignore=1)"], "unknown key; did you mean 'ignore_errors'"),
    (["--list", "deploy"], "there is no list of transforms 'deploy'; did you mean 'deployment'"),
    (["--list", "mobile", "--shape", "1,2,x"], "--shape 1,2,x: allowed: numbers with commas"),
    (["--transforms", "fold_constants", "--shape", "1,2"], "--shape: allowed with --list"),
    (["--transforms", "fold_constants", "--outputs", "score"], "output 'score' does not exist in the graph; did you m"),
    (["--transforms", "fold_constants", "--inputs", "imge"], "input 'imge' does not exist in the graph; did you mean"),
    ([], "one of the arguments --transforms --list is required"),
])  # fmt: skip
def test_what_cannot_be_done(
    words: list[str], said: str, frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["graph", "transform", str(frozen), str(tmp_path / "out.pb"), *words], said, capsys)
    assert not (tmp_path / "out.pb").exists()


def test_a_place_that_cannot_be_written(frozen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    refused(["graph", "transform", str(frozen), str(tmp_path / "file" / "out.pb"), "--list", "mobile"],
            "cannot be written: File exists; allowed: a file in a writable folder", capsys)  # fmt: skip
    refused(["graph", "transform", str(tmp_path / "no.pb"), str(tmp_path / "out.pb"), "--list", "mobile"],
            "no.pb: No such file or directory; allowed: a frozen GraphDef, .pb", capsys)  # fmt: skip


def refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with one line that says ``said``, and exit code 2."""
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("error: ")
    assert len(told.splitlines()) == 1


def test_nothing_but_its_own_words_is_on_the_terminal(frozen: Path, tmp_path: Path) -> None:
    words = ["graph", "transform", str(frozen), str(tmp_path / "out.pb"), "--outputs", "scores", "--list", "mobile"]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("TF_", "CUDA_"))}
    done = subprocess.run([sys.executable, "-m", "harness", *words, "--check"], env=plain, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["warning"]


def test_help_imports_no_tensorflow() -> None:
    code = "import sys\nfrom harness.cli import main\n" \
           "try: main(['graph', 'transform', '--help'])\nexcept SystemExit: pass\n" \
           "assert not {'tensorflow', 'numpy'} & set(sys.modules)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--transforms" in done.stdout
