"""Acceptance: every difference between Keras and its exports is explained, for every model of the zoo."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness import cache, toolchains
from harness.errors import Unsupported
from harness.exporters import frozen_graph, onnx, tflite
from harness.exporters.contract import Model
from harness.graph.diff.compare import compare
from harness.graph.read import read
from harness.graph.summary import summarize

ROOT = Path(__file__).resolve().parents[4]
CONF = ROOT / "conf" / "model"
ARCHITECTURES = {file.stem: yaml.safe_load(file.read_text()).get("architecture") for file in CONF.glob("*.yaml")}
ZOO = sorted(name for name, architecture in ARCHITECTURES.items() if architecture)  # the others are sets of them
EXPORTS = ("saved_model", "model.pb", "model.tflite", "model.onnx")
SIZE = 64
OWN_CACHE = cache.default_root()
"""That of whoever runs the tests: each test has another."""
TO_TFJS = """
import pathlib, sys
from harness import to_tfjs
to_tfjs.convert(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "float32")
"""


def write(architecture: str, out: Path) -> None:
    """Build with random weights, and batch norms that do something; write every format but TFJS."""
    from zoo import architectures, network, saved_model

    warnings.simplefilter("ignore")  # of the converters
    model = architectures.build(architecture, (SIZE, SIZE, 3), 10)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([random.uniform(0.5, 1.5, one.shape).astype(np.float32) for one in layer.get_weights()])
    saved_model.save(network.from_keras(model, (SIZE, SIZE, 3)), out / "saved_model")
    model.save(out / "model.keras")
    given = Model(out / "saved_model", {"preprocessing": "none"}, {"scheme": "none"}, out / "none.npy")
    exporters: tuple[Any, ...] = (tflite, onnx, frozen_graph)
    for exporter in exporters:
        exporter.export(given, exporter.Options(), out)


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a model's files, for all tests of that model."""
    out = tmp_path_factory.mktemp("model")
    # TensorFlow keeps gigabytes of the large ones: a process for each
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        process.submit(write, ARCHITECTURES[request.param], out).result()
    yield out
    shutil.rmtree(out)  # a gigabyte for the largest


@pytest.mark.slow
@pytest.mark.parametrize("built", ZOO, indirect=True)
def test_nothing_is_unexplained(built: Path) -> None:
    for file in EXPORTS:
        explained(built, file)


@pytest.mark.slow
@pytest.mark.parametrize("built", ZOO, indirect=True)
def test_nothing_is_unexplained_in_tfjs(built: Path) -> None:
    try:
        python = toolchains.python("tfjs", root=OWN_CACHE)
    except Unsupported as error:
        pytest.skip(str(error))
    command = [python, "-c", TO_TFJS, built / "saved_model", built / "tfjs"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    explained(built, "tfjs/model.json")


def explained(built: Path, file: str) -> None:
    source = read(built / "model.keras")
    wanted = summarize(source)
    graph = read(built / file)
    found = compare(source, graph)
    assert not found.unexplained, (file, found.unexplained)
    folded = [one for one in found.changes if one.what.startswith("BatchNorm →")]
    assert not [one.why for one in folded if "with another" in one.why or "with other" in one.why]
    numbers = summarize(graph)
    assert (numbers.macs, numbers.kernel_parameters) == (wanted.macs, wanted.kernel_parameters)
    assert not numbers.unknown_ops
    assert 0.97 < numbers.parameters / wanted.parameters <= 1
