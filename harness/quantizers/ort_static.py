"""ONNX Runtime's static quantization of the float ONNX file: activations and weights, ranges found on images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness import processor
from harness.errors import StageFailed
from harness.exporters.contract import Artifact, Model
from harness.quantizers.contract import Source

PACKAGES: tuple[str, ...] = ("onnxruntime", "onnx", "numpy")
REWRITES = True
MEMORY_PER_WEIGHT_BYTE = 12.0


@dataclass
class Options:
    """See ``conf/quant/ort_static.yaml``."""

    form: Literal["qdq", "qoperator"] = "qdq"
    activations: Literal["uint8", "int8"] = "uint8"
    weights: Literal["int8", "uint8"] = "int8"
    per_channel: bool = True
    calibrator: Literal["minmax", "entropy", "percentile"] = "minmax"
    percentile: float = field(default=99.99, metadata={"min": 50.0, "max": 100.0})
    calibration_images: int = field(default=64, metadata={"min": 1, "max": 100_000})
    reduce_range: Literal["auto", "yes", "no"] = "auto"


def refuses(options: Options, export: str) -> str | None:  # noqa: ARG001 - the contract of a quantizer
    """It takes ONNX files."""
    return None if export == "onnx" else f"ort_static quantizes ONNX files; {export} makes none"


def machine() -> dict[str, Any]:
    """Return whether 8-bit products are added without saturation here: it decides ``reduce_range: auto``."""
    return {"int8_without_saturation": processor.adds_int8_without_saturation()}


def quantize(source: Source, options: Options, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Return the recipe for ``rewrite``. Raises ``StageFailed``: ``no_calibration_images``."""
    file = source.dataset / "calibration_images.npy"
    if not file.is_file():
        raise StageFailed("the task has no calibration images", "no_calibration_images")
    found = len(np.load(file, mmap_mode="r"))
    recipe = asdict(options) | {"calibration_images": min(found, options.calibration_images)}
    reduced = options.reduce_range == "yes"
    if options.reduce_range == "auto":
        reduced = not processor.adds_int8_without_saturation()
    return {"scheme": "ort_static", **recipe, "reduce_range": reduced, "facts": {"reduce_range": reduced}}


def rewrite(model: Model, out: Path) -> Artifact:
    """Quantize ``model.artifact``; what ONNX Runtime calls pre-processing (folding, shapes) comes first.

    Raises:
        StageFailed: ``no_artifact``, ``wrong_opset``, ``lost_names``; and what ONNX Runtime and the checker raise.
    """
    from onnxruntime import quantization as ort

    from harness import to_onnx

    recipe, path = model.recipe, out / "model.onnx"
    if model.artifact is None:
        raise StageFailed("there is no ONNX file to start from", "no_artifact")
    kinds = {"uint8": ort.QuantType.QUInt8, "int8": ort.QuantType.QInt8}
    with to_onnx.prepared(model.artifact, out) as prepared:
        ort.quantize_static(
            prepared,
            str(path),
            _reader(model),
            quant_format=ort.QuantFormat.QDQ if recipe["form"] == "qdq" else ort.QuantFormat.QOperator,
            activation_type=kinds[recipe["activations"]],
            weight_type=kinds[recipe["weights"]],
            per_channel=recipe["per_channel"],
            reduce_range=recipe["reduce_range"],
            calibrate_method=getattr(ort.CalibrationMethod, _METHODS[recipe["calibrator"]]),
            # one image's activations in memory at a time, whatever the calibrator
            extra_options={"CalibStridedMinMax": 1, "CalibPercentile": recipe["percentile"]},
        )
    _for_any_processor(path)
    form = f"{recipe['form'].upper()} by ONNX Runtime, {recipe['activations']} × {recipe['weights']}"
    return Artifact("model.onnx", {"opset": to_onnx.verify(path, *to_onnx.signature(model.artifact)), "form": form})


def _for_any_processor(path: Path) -> None:
    """Check the file, and give each reader its own constants: see ``harness.qdq.own_zeros``."""
    import onnx

    from harness import to_onnx
    from harness.qdq import own_zeros

    proto = onnx.load(str(path))
    if own_zeros.apply(proto):
        to_onnx.write(proto, path)
    else:
        to_onnx.check(path)


_METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}


def _reader(model: Model) -> Any:
    """Return ONNX Runtime's reader over the calibration images: float32, 1×H×W×C, preprocessed."""
    from onnxruntime.quantization import CalibrationDataReader

    from zoo import preprocessing

    images = np.load(model.calibration, mmap_mode="r")[: model.recipe["calibration_images"]]
    name, mode = model.info["input"]["name"], model.info["preprocessing"]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """One image at a time."""

        def __init__(self) -> None:
            self._rest: Iterator[int] = iter(range(len(images)))

        def get_next(self) -> dict[str, Any] | None:
            position = next(self._rest, None)
            return None if position is None else {name: preprocessing.apply(images[position][None], mode)}

        def __len__(self) -> int:
            return len(images)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._rest = iter(range(start_index, end_index))

    return Reader()
