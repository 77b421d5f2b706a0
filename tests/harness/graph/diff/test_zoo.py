"""Acceptance: every difference between Keras and its exports is explained, for one model of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.exporters import frozen_graph, onnx, tflite
from harness.exporters.contract import Model
from harness.graph.diff.compare import compare
from harness.graph.read import read
from harness.graph.summary import summarize

CONF = Path(__file__).resolve().parents[4] / "conf" / "model"
SMALL = yaml.safe_load((CONF / "small.yaml").read_text())["defaults"]
EXPORTS = ("saved_model", "model.pb", "model.tflite", "model.onnx")
SIZE = 64


def export(architecture: str, out: Path) -> None:
    """Build with random weights, batch norms that do something, and write every format."""
    import tf_keras

    from zoo import architectures, network, saved_model

    tf_keras.backend.clear_session()
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_unexplained(name: str, tmp_path: Path) -> None:
    export(yaml.safe_load((CONF / f"{name}.yaml").read_text())["architecture"], tmp_path)
    source = read(tmp_path / "model.keras")
    wanted = summarize(source)
    for file in EXPORTS:
        graph = read(tmp_path / file)
        found = compare(source, graph)
        assert not found.unexplained, (file, found.unexplained)
        folded = [one for one in found.changes if one.what.startswith("BatchNorm →")]
        assert not [one.why for one in folded if "with another" in one.why or "with other" in one.why]
        numbers = summarize(graph)
        assert (numbers.macs, numbers.kernel_parameters) == (wanted.macs, wanted.kernel_parameters)
        assert not numbers.unknown_ops
        assert 0.97 < numbers.parameters / wanted.parameters <= 1
