"""Stage ``export``: an exporter's file becomes an artifact with checksum, size, audit and a table of its scales."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed, Unsupported, UserError
from harness.metrics import audit
from harness.records import Job, Limits
from harness.stages import export

EXPORTER = """
import shutil
from dataclasses import dataclass
from pathlib import Path
from harness.exporters.contract import Artifact

PACKAGES, FORMAT, MEMORY_PER_WEIGHT_BYTE = (), "tflite", 1.0

@dataclass
class Options:
    file: str = ""

def export(model, options, out):
    (out / "seen").write_text(repr((model.saved_model.parent.name, model.recipe, str(model.calibration))))
    shutil.copy(options.file, out / "model.tflite")
    return Artifact("model.tflite", {"opset": 7}, {"signature_map": {"outputs": {"map": "Identity:0"}}})
"""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``none``, ``dynamic``, ``int8_only`` and ``uint8_only.tflite`` of one convolution."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("converted")
    kernel = tf.constant(np.random.default_rng(0).normal(size=(3, 3, 3, 64)).astype(np.float32))
    module = tf.Module()
    spec = tf.TensorSpec((1, 8, 8, 3), tf.float32, name="image")
    module.call = tf.function(
        lambda image: {"map": tf.nn.relu6(tf.nn.conv2d(image, kernel, 1, "SAME"))}, autograph=False
    ).get_concrete_function(spec)
    tf.saved_model.save(module, str(folder / "saved_model"), signatures={"serving_default": module.call})
    for scheme in ("none", "dynamic", "int8_only", "uint8_only"):
        (folder / f"{scheme}.tflite").write_bytes(_convert(folder / "saved_model", scheme))
    return folder


def _convert(saved_model: Path, scheme: str) -> bytes:
    import tensorflow as tf

    def images() -> Iterator[list[Any]]:
        for value in np.linspace(-1, 1, 5, dtype=np.float32):
            yield [np.full((1, 8, 8, 3), value)]

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    if scheme != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme.endswith("_only"):
        converter.representative_dataset = images
        converter.inference_input_type = converter.inference_output_type = getattr(tf, scheme.removesuffix("_only"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content: bytes = converter.convert()
    return content


class Bench:
    """Input folders of one export job, and what the stage did with them."""

    def __init__(self, root: Path, converted: Path) -> None:
        self.root, self.converted = root, converted
        for name in ("dataset", "source", "quantized", "out", "plugins/exporters"):
            (root / name).mkdir(parents=True)
        (root / "plugins/exporters/copying.py").write_text(EXPORTER)
        info = {"input": {"name": "image"}, "outputs": [{"name": "map"}], "preprocessing": "tf"}
        (root / "source/source.json").write_text(json.dumps(info))
        self.stages: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, fraction: float, note: str = "") -> None:
        assert 0 <= fraction <= 1

    def job(self, file: str, scheme: str) -> Job:
        (self.root / "quantized/quantized.json").write_text(json.dumps({"scheme": scheme}))
        options = {"export": {"method": "copying", "file": str(self.converted / file)},
                   "plugins_dir": str(self.root / "plugins")}  # fmt: skip
        inputs = {name: str(self.root / name) for name in ("dataset", "source", "quantized")}
        return Job("1", "export", options, inputs, str(self.root / "out"), "", "", Limits(60, 2**30, 2**30))

    def run(self, file: str, scheme: str) -> Any:
        return export.run(self.job(file, scheme), self)


@pytest.fixture
def bench(tmp_path: Path, converted: Path) -> Bench:
    return Bench(tmp_path, converted)


def test_the_artifact_is_described_as_it_is(bench: Bench) -> None:
    found = bench.run("int8_only.tflite", "int8_only")
    content = (bench.root / "out/model.tflite").read_bytes()
    assert found.values["artifact_sha256"] == hashlib.sha256(content).hexdigest()
    assert found.values["size_bytes"] == len(content)
    assert found.values["int8_mac_share"] == 1.0
    assert found.values["convert_s"] >= 0
    about = json.loads((bench.root / "out/artifact.json").read_text())
    assert about == {"format": "tflite", "file": "model.tflite", "input": "image", "outputs": ["map"]}
    assert found.details["signature_map"] == {"outputs": {"map": "Identity:0"}}
    assert found.details["weights_bytes"]
    assert bench.stages == ["export", "audit"]


def test_every_column_of_the_audit_has_a_value_or_a_reason(bench: Bench) -> None:
    found = bench.run("none.tflite", "none")
    assert set(audit.UNITS) <= set(found.values) | set(found.missing)
    assert found.missing["per_channel"] == "no quantized weights"
    assert not set(found.values) & set(found.missing)
    assert all(found.missing.values())


def test_a_value_of_the_exporters_own_needs_no_reason(bench: Bench) -> None:
    """The stand-in says opset 7 of a .tflite, where the audit finds none."""
    found = bench.run("none.tflite", "none")
    assert found.values["opset"] == 7
    assert "opset" not in found.missing


def test_a_quantized_artifact_comes_with_its_scales(bench: Bench) -> None:
    found = bench.run("uint8_only.tflite", "uint8_only")
    tables = [json.loads((bench.root / "out/tensors.json").read_text()), (bench.root / "out/tensors.csv").read_text()]
    assert all("image" in str(table) for table in tables)
    assert found.details["quantized_tensors"] >= 3
    assert found.values["raw_bytes_input"] is True  # -1…1 in 256 steps is what the bytes of a picture are


def test_a_float_artifact_has_no_scales(bench: Bench) -> None:
    found = bench.run("none.tflite", "none")
    assert not list((bench.root / "out").glob("tensors.*"))
    assert "raw_bytes_input" not in found.values


@pytest.mark.parametrize("scheme", ["int8_only", "uint8_only"])
def test_an_integer_only_artifact_that_computes_in_float_fails_at_audit_with_its_ops(bench: Bench, scheme: str) -> None:
    with pytest.raises(StageFailed, match=rf"{scheme} computes in float: hybrid op CONV_2D") as caught:
        bench.run("dynamic.tflite", scheme)
    assert caught.value.reason == "float_ops"
    assert bench.stages[-1] == "audit"


def test_the_same_file_is_fine_where_float_was_not_forbidden(bench: Bench) -> None:
    assert bench.run("dynamic.tflite", "dynamic").values["hybrid_ops"] == 1


def test_a_format_that_cannot_be_audited_has_the_reason_in_every_column(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, format: str) -> None:
        raise Unsupported(f"nobody reads {format} here")

    monkeypatch.setattr(audit, "measure", refuse)
    found = bench.run("none.tflite", "none")
    assert found.values["size_bytes"] > 0
    assert found.missing == dict.fromkeys(set(audit.UNITS) - {"opset"}, "nobody reads tflite here")


def test_a_file_that_is_no_model_fails_at_audit(bench: Bench, converted: Path) -> None:
    (converted / "torn.tflite").write_bytes((converted / "none.tflite").read_bytes()[:900])
    with pytest.raises(StageFailed) as caught:
        bench.run("torn.tflite", "none")
    assert caught.value.reason == "broken_file"
    assert bench.stages[-1] == "audit"


def test_a_quantizer_s_own_saved_model_is_exported_instead_of_the_float_one(bench: Bench) -> None:
    bench.run("none.tflite", "none")
    assert "('source', {'scheme': 'none'}" in (bench.root / "out/seen").read_text()
    (bench.root / "quantized/saved_model").mkdir()
    bench.run("none.tflite", "int8")
    seen = (bench.root / "out/seen").read_text()
    assert "('quantized', {'scheme': 'int8'}" in seen
    assert str(bench.root / "dataset/calibration_images.npy") in seen


def test_an_unknown_option_is_told(bench: Bench) -> None:
    job = bench.job("none.tflite", "none")
    wrong = replace(job, options=job.options | {"export": {"method": "copying", "fiel": "x"}})
    with pytest.raises(UserError, match="did you mean 'file'"):
        export.run(wrong, bench)


def test_the_checksum_of_a_folder_tells_names_and_contents_apart(tmp_path: Path) -> None:
    def made(name: str, files: dict[str, str]) -> str:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return export.checksum(tmp_path / name)

    first = made("a", {"x": "1", "sub/y": "2"})
    assert made("b", {"sub/y": "2", "x": "1"}) == first
    others = [made("c", {"x": "1", "sub/z": "2"}), made("d", {"x": "2", "sub/y": "1"}), made("e", {"x": "1"})]
    assert len({first, *others}) == 4
