"""A cell that really degrades, through the command line: found, explained, mended.

One channel of a trained MobileNetV3Small leaves a ReLU 400 times as large and meets kernels 400 times as small: the
function is the same, and one scale for a tensor is no longer enough for the two convolutions that the channel joins.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import store

BEFORE, AFTER = "expanded_conv_2/depthwise", "expanded_conv_2/project"
FACTOR = 400.0


def harness(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(root: Path, *overrides: str) -> Path:
    out = harness(
        root, *overrides, f"cache_dir={root / 'cache'}", "task=digits", "export=tflite", "runtime=xnnpack",
        "measure=quick", "quant=int8", "quant.int8.per_channel=false",
    )  # fmt: skip
    return root / out.splitlines()[-1].removeprefix("run: ")


def rescaled(source: Path, out: Path) -> None:
    import tf_keras

    model = tf_keras.models.load_model(source, compile=False)
    norm, kernel = model.get_layer(f"{BEFORE}/BatchNorm"), model.get_layer(AFTER)
    scale, shift, *moments = norm.get_weights()
    factors = np.ones_like(scale)
    factors[0] = FACTOR
    norm.set_weights([scale * factors, shift * factors, *moments])
    kernel.set_weights([kernel.get_weights()[0] / factors[:, None]])
    model.save(out)


@pytest.mark.slow
def test_the_layers_are_named_and_nothing_else_is_left_in_float(tmp_path: Path) -> None:
    run(tmp_path, "model=mobilenet_v3_small", "model.mobilenet_v3_small.training.epochs=6")
    (source,) = (tmp_path / "cache" / "entries" / "source").glob("*/data/model.keras")
    rescaled(source, tmp_path / "rescaled.keras")
    folder = run(
        tmp_path, "model=custom", f"model.custom.path={tmp_path / 'rescaled.keras'}", "quant.int8.deny=[none,auto]"
    )
    records = {record.cell.quant: record for record in store.read(folder)}
    plain, broken, mended = (records[name].values for name in ("none", "int8@deny=none", "int8@deny=auto"))
    assert float(str(broken["cosine"])) < 0.9
    assert float(str(mended["cosine"])) > 0.985
    assert float(str(mended["top1"])) >= float(str(plain["top1"])) - 0.02
    assert mended["denied_layers"] == 2
    assert float(str(mended["int8_mac_share"])) > 0.9
    denied = records["int8@deny=auto"].details["quantize"]["denied"]
    assert [any(part in name for name in denied) for part in (BEFORE, AFTER)] == [True, True]
    harness(tmp_path, "why", str(folder), "custom/int8@deny=none/tflite/xnnpack/t1")
    (why,) = (tmp_path / "reports").glob("*/why/*/why.json")
    assert AFTER in json.loads(why.read_text())["broken"]
    assert "operators" in harness(tmp_path, "profile", str(folder), "custom/int8@deny=none/tflite/xnnpack/t1")
