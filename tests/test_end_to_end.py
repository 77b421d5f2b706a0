"""The real thing through the command line: real data, real conversions, real runtimes, one cache for all."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness import config, store, tables
from harness.records import Record

COLUMNS = (
    "run model family quant export runtime threads toolchain task input_shape status stage reason message verdict "
    "top1 top5 images top1_drop mcnemar_p agreement cosine sqnr_db max_abs_error latency_min_ms latency_p50_ms "
    "latency_p90_ms latency_ci_low_ms latency_ci_high_ms clean_fraction load_ms first_ms size_bytes gzip_bytes "
    "int8_mac_share float_ops undelegated_ops partitions sparsity opset convert_s peak_rss_convert_bytes "
    "peak_rss_run_bytes artifact artifact_sha256 fingerprint started_at"
)
"""What scripts lean on: changes only with a major version."""
MEASURED = {"ok", "noisy"}
"""A busy machine may make a measurement noisy; that is a fact about the machine."""
DIGITS = [
    "model=mobilenet_v2", "model.mobilenet_v2.training.epochs=1", "quant=int8_only", "export=[tflite,onnx]",
    "runtime=[cpu,xnnpack,onnxruntime]",
]  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def folder(self) -> Path:
        last = self.out.splitlines()[-1]
        assert last.startswith("run: "), last
        return Path(last.removeprefix("run: "))

    @property
    def records(self) -> list[Record]:
        return list(store.read(self.folder))

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


@dataclass(frozen=True)
class Home:
    """Where the runs of this file live."""

    root: Path

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def run(self, *overrides: str) -> Ran:
        own = [f"{name}_dir={self.root / name}" for name in ("results", "reports", "cache")]
        own += ["measure=quick", "measure.rounds=1", "measure.evaluate_cap_s=600"]  # all images, on a slow machine too
        words = [sys.executable, "-m", "harness", *overrides, *own]
        done = subprocess.run(words, cwd=self.root, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def look(self, *words: str) -> Ran:
        """Run a command that looks into a run."""
        command = [sys.executable, "-m", "harness", *words]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def entries(self) -> set[str]:
        """The finished conversions in the cache."""
        return {path.name for kind in ("source", "export") for path in (self.cache / "entries" / kind).iterdir()}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def digits(home: Home) -> Ran:
    done = home.run(*DIGITS)
    assert done.code == 0, done.err
    return done


def test_every_cell_of_a_real_run_has_its_record_and_its_artifact(digits: Ran, home: Home) -> None:
    found = {record.cell.id: record for record in digits.records}
    assert set(found) == {
        "mobilenet_v2/none/tflite/cpu/t1",
        "mobilenet_v2/none/tflite/xnnpack/t1",
        "mobilenet_v2/none/onnx/onnxruntime/t1",
        "mobilenet_v2/int8_only/tflite/cpu/t1",
        "mobilenet_v2/int8_only/tflite/xnnpack/t1",
        "mobilenet_v2/int8_only/onnx/onnxruntime/t1",
    }
    refused = found.pop("mobilenet_v2/int8_only/onnx/onnxruntime/t1")
    assert refused.status == "unsupported"
    assert refused.failure is not None
    assert refused.failure.reason == "no_such_form"
    for name, record in found.items():
        assert record.status in MEASURED, (name, record.failure)
        content = (home.root / str(record.artifact)).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record.artifact_sha256
        assert record.values["size_bytes"] == len(content)


def test_load_gives_the_columns_that_scripts_lean_on(digits: Ran) -> None:
    frame = tables.load(digits.folder)
    columns = COLUMNS.split()
    assert list(frame.columns[: len(columns)]) == columns
    measured = frame[frame["status"].isin(MEASURED)]
    assert len(measured) == 5
    for column in ("top1", "cosine", "latency_p50_ms", "load_ms", "size_bytes", "convert_s", "artifact"):
        assert measured[column].notna().all(), column
    assert set(measured["images"]) == {450}
    assert set(frame["input_shape"].dropna()) == {"48x48x3"}
    refused = frame[frame["status"] == "unsupported"].iloc[0]
    assert refused[["top1", "latency_p50_ms", "size_bytes", "artifact"]].isna().all()


def test_an_int8_only_artifact_computes_in_int8_and_agrees_with_the_float_model(digits: Ran) -> None:
    frame = tables.load(digits.folder)
    frame = frame[frame["status"].isin(MEASURED)].set_index(["quant", "export", "runtime"])
    integer, plain = frame.loc["int8_only"], frame.loc["none"]
    assert set(integer["int8_mac_share"]) == {1.0}
    assert set(integer["float_ops"]) == {0}
    assert set(plain["int8_mac_share"]) == {0.0}
    assert (plain["float_ops"] > 0).all()
    assert (plain["cosine"] > 0.9999).all()
    assert (integer["cosine"] > 0.5).all()
    assert integer["cosine"].max() < plain["cosine"].min()
    assert integer["size_bytes"].max() < 0.5 * plain["size_bytes"].min()
    assert plain.loc[("onnx", "onnxruntime"), "opset"] == 13


def test_a_run_leaves_its_pages_and_nothing_else(digits: Ran, home: Home) -> None:
    pages = {path.suffix for path in (home.root / "reports" / digits.folder.name).iterdir() if path.is_file()}
    assert {".md", ".csv", ".parquet", ".html"} <= pages
    assert {path.name for path in home.root.iterdir()} <= {"results", "reports", "cache"}
    assert (digits.folder / "config.yaml").is_file()


def test_the_same_again_converts_nothing_and_says_the_same(digits: Ran, home: Home) -> None:
    before = home.entries()
    assert before
    again = home.run(*DIGITS)
    assert again.code == 0, again.err
    assert home.entries() == before
    assert again.folder != digits.folder
    jobs = int(again.err.splitlines()[0].rsplit(", ", 1)[1].split()[0])
    cached = int(again.err.split(" jobs from the cache")[0].rsplit("; ", 1)[1])
    assert jobs - 5 <= cached <= jobs  # the five measurements are made again when one was noisy
    if any(record.status == "noisy" for record in digits.records):
        assert _facts(again, "size_bytes", "top1", "cosine") == _facts(digits, "size_bytes", "top1", "cosine")
    else:
        assert cached == jobs
        assert {r.cell.id: r.values for r in again.records} == {r.cell.id: r.values for r in digits.records}


@pytest.mark.parametrize(("gate", "code"), [("never", 0), ("fails", 0), ("degraded", 1)])
def test_a_gate_decides_the_exit_code_and_judging_anew_converts_nothing(
    digits: Ran, home: Home, gate: str, code: int
) -> None:
    """A bound that no cosine can keep makes the float cells degraded; nothing fails."""
    before = home.entries()
    done = home.run(*DIGITS, "verdict.schemes.none.min.cosine=2", f"fail_on={gate}")
    assert done.code == code, done.err
    assert home.entries() == before
    assert {r.artifact_sha256 for r in done.records} == {r.artifact_sha256 for r in digits.records}


QUANTIZED = [
    "model=mobilenet_v2", "model.mobilenet_v2.training.epochs=1", "quant=[int8,ort_static,aeq_int8]",
    "quant.int8.per_channel=[true,false]", "export=[tflite,onnx,onnx_qdq]", "export.onnx.opset=[13,15]",
    "runtime=[xnnpack,onnxruntime]",
]  # fmt: skip


@pytest.fixture(scope="session")
def quantized(home: Home) -> Ran:
    """Quantized ONNX by two routes, options given as lists, a second opinion on TFLite."""
    done = home.run(*QUANTIZED)
    assert done.code == 0, done.err
    return done


def test_quantized_onnx_is_a_row_of_its_own_and_says_what_it_holds(quantized: Ran) -> None:
    frame = tables.load(quantized.folder)
    measured = frame[frame["status"].isin(MEASURED)].set_index(["quant", "export"])
    for quant in ("int8@per_channel=true", "int8@per_channel=false"):
        row = measured.loc[(quant, "onnx_qdq")]
        assert row["form"] == "the integers of the TFLite file, QDQ"
        assert row["integer_convs"] == 52
        assert row["converted_agreement"] >= 0.995
        assert row["converted_max_steps"] <= 1
    for opset in (13, 15):
        row = measured.loc[("ort_static", f"onnx@opset={opset}")]
        assert row["opset"] == opset
        assert row["integer_convs"] == 52
        assert row["int8_mac_share"] == 1
    assert set(measured.loc[[("none", "onnx_qdq")]]["form"]) == {"float32, by way of TFLite"}


def test_a_cell_of_a_list_can_be_run_again_alone(quantized: Ran) -> None:
    record = next(r for r in quantized.records if r.cell.id.startswith("mobilenet_v2/ort_static/onnx@opset=15/"))
    again = config.compose(shlex.split(record.reproduce)[3:]).config
    assert {name: one["opset"] for name, one in again.export.items()} == {"onnx": 15}
    assert list(again.quant) == ["ort_static"]


def test_opsets_have_a_page(quantized: Ran, home: Home) -> None:
    page = (home.root / "reports" / quantized.folder.name / "opsets.md").read_text()
    assert "| mobilenet_v2 | none | onnx | 13 | 15 | ✓ | ✓ |" in page.replace("\\", "")


@pytest.mark.parametrize(
    "cell", ["int8@per_channel=false/tflite", "int8@per_channel=false/onnx_qdq", "ort_static/onnx@opset=13"]
)
def test_why_goes_through_the_layers(quantized: Ran, home: Home, cell: str, tmp_path: Path) -> None:
    done = home.look("why", str(quantized.folder), f"mobilenet_v2/{cell}", "--out", str(tmp_path))
    assert done.code == 0, done.err
    assert "dB" in done.out.splitlines()[1]
    assert {"why.md", "why.svg", "why.json"} <= {path.name for path in tmp_path.iterdir()}
    why = json.loads((tmp_path / "why.json").read_text())
    layers = why["layers"]
    assert len(why["worst"]) == 10
    assert {*why["worst"], why["broken"]} - {None} <= {one["name"] for one in layers}
    assert len(layers) > 50
    assert all(layer["sqnr_db"] > 0 for layer in layers if layer["sqnr_db"] is not None)
    assert sum(layer["lost_db"] is not None for layer in layers) > 50


@pytest.mark.parametrize(
    ("cell", "word"), [("int8@per_channel=true/tflite/xnnpack", "xnnpack"), ("ort_static/onnx@opset=13", "CPU")]
)
def test_profile_tells_every_operator(quantized: Ran, home: Home, cell: str, word: str, tmp_path: Path) -> None:
    done = home.look("profile", str(quantized.folder), f"mobilenet_v2/{cell}", "--runs", "3", "--out", str(tmp_path))
    assert done.code == 0, done.err
    assert word in done.out
    operators = json.loads((tmp_path / "profile.json").read_text())["operators"]
    assert sum(one["share"] for one in operators) == pytest.approx(1)
    assert len(operators) > 50


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["why", "mobilenet_v2/none/tflite"], "is the float model itself"),
        (["why", "mobilenet_v2/int7"], "is not in"),
        (["profile", "mobilenet_v2/ort_static/tflite"], "unsupported at quantize: no_such_form"),
    ],
)
def test_what_cannot_be_looked_into_is_one_line(quantized: Ran, home: Home, words: list[str], told: str) -> None:
    done = home.look(words[0], str(quantized.folder), words[1])
    assert told in done.out + done.err
    assert done.code == (2 if done.errors else 0)


def _facts(ran: Ran, *columns: str) -> dict[str, tuple[object, ...]]:
    return {r.cell.id: (r.artifact_sha256, *map(r.values.get, columns)) for r in ran.records}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model files of a user: two heads on a grey image, a torso of that file, a Lambda, a model of plain numbers."""
    import tf_keras

    folder, layers = tmp_path_factory.mktemp("files"), tf_keras.layers
    tf_keras.utils.set_random_seed(0)

    def net(extra: object = None) -> tf_keras.Model:
        image = layers.Input((24, 20, 1), name="scan")
        x = layers.Lambda(lambda x: x * 2, name="double")(image) if extra else image
        x = layers.Conv2D(8, 3, strides=2, activation="relu")(layers.Rescaling(1 / 255)(x))
        x = layers.GlobalAveragePooling2D()(x)
        return tf_keras.Model(image, [layers.Dense(5, name="kind")(x), layers.Dense(2, name="place")(x)])

    net().save(folder / "two.keras")
    net("lambda").save(folder / "lambda.keras")
    (folder / "torso.keras").write_bytes((folder / "two.keras").read_bytes()[:3000])
    tf_keras.Sequential([layers.Input((7,)), layers.Dense(2)]).save(folder / "flat.keras")
    return folder


def test_a_file_of_ones_own_with_two_outputs_and_one_channel(home: Home, files: Path) -> None:
    done = home.run(
        "model=custom", f"model.custom.path={files / 'two.keras'}", "task=photos", "quant=int8", "export=tflite",
        "runtime=[cpu,xnnpack]",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert Counter(record.cell.quant for record in done.records) == {"none": 2, "int8": 2}
    for record in done.records:
        assert record.status in MEASURED, record.failure
        assert record.values["input_shape"] == "24x20x1"
        assert record.missing["top1"]
        runner = _signature(home.root / str(record.artifact))
        assert runner["inputs"] == ["scan"]
        assert sorted(runner["outputs"]) == ["kind", "place"]


def _signature(path: Path) -> dict[str, list[str]]:
    from ai_edge_litert.interpreter import Interpreter

    found: dict[str, list[str]] = Interpreter(model_path=str(path)).get_signature_list()["serving_default"]
    return found


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures in each of two classes, and one file that only has the name of a picture."""
    from PIL import Image

    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for label, name in enumerate(["dark", "light"]):
        (folder / name).mkdir()
        for number in range(12):
            pixels = random.integers(0, 100, (30, 30, 3)) + 150 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02}.png")
    (folder / "light" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    return folder


FOLDER = ["task=imagefolder", "model=custom", "quant=none", "export=tflite", "runtime=cpu"]


def test_an_unreadable_image_is_named_and_nothing_is_measured(home: Home, files: Path, images: Path) -> None:
    done = home.run(*FOLDER, f"task.path={images}", f"model.custom.path={files / 'two.keras'}")
    assert done.code == 2
    assert len(done.errors) == 1
    assert "torn.png" in done.errors[0]
    assert "task.allow_unreadable=true" in done.errors[0]
    (record,) = done.records
    assert (record.status, record.stage) == ("failed", "source")


def test_an_unreadable_image_is_counted_where_it_may_be_skipped(home: Home, files: Path, images: Path) -> None:
    """Two classes are what the output ``place`` has values for, so that is held against the labels."""
    own = [f"task.path={images}", f"model.custom.path={files / 'two.keras'}"]
    done = home.run(*FOLDER, *own, "task.allow_unreadable=true")
    assert done.code == 0, done.err
    (record,) = done.records
    assert record.status in MEASURED, record.failure
    assert record.values["skipped_images"] == 1
    assert "torn.png" in str(record.details["skipped"])
    assert record.values["images"] == 7
    assert 0 <= float(str(record.values["top1"])) <= 1


def test_files_that_cannot_be_used_are_records_and_one_line_each(home: Home, files: Path) -> None:
    """Three bad files and a good one in one run: the good one is not affected."""
    own = "source: custom, family: custom, preprocessing: none, path: "
    bad = [f"+model.{name}={{{own}{files / name}.keras}}" for name in ("torso", "lambda", "flat")]
    done = home.run(
        "model=custom", f"model.custom.path={files / 'two.keras'}", *bad, "task=photos", "quant=none",
        "export=tflite", "runtime=cpu",
    )  # fmt: skip
    assert done.code == 2
    found = {record.cell.model: record for record in done.records}
    assert found.pop("custom").status in MEASURED
    assert {name: (r.status, r.stage) for name, r in found.items()} == dict.fromkeys(
        ("torso", "lambda", "flat"), ("failed", "source")
    )
    assert len(done.errors) == 3
    words = {"torso": "truncated", "lambda": "Lambda layer double", "flat": "no image input"}
    for name, word in words.items():
        (line,) = [line for line in done.errors if f"{name}.keras" in line]
        assert word in line
        again = config.compose(shlex.split(found[name].reproduce)[3:])
        assert list(again.config.model) == [name]
