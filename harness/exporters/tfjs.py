"""TensorFlow.js: a graph model (model.json, weights in shards) by its own converter, in its own toolchain.

``tensorflowjs`` cannot live beside the newest TensorFlow. How weights are stored decides the size alone: whoever loads
the model unpacks them to float32 and computes in that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness import to_tfjs
from harness.errors import StageFailed, Unsupported
from harness.exporters.contract import Artifact, Model
from harness.records import Value

PACKAGES: tuple[str, ...] = ("tensorflowjs", "tensorflow", "numpy")
TOOLCHAIN = "tfjs"
FORMAT = "tfjs"
MEMORY_PER_WEIGHT_BYTE = 20.0
Names = dict[str, dict[str, str]]
"""``inputs`` and ``outputs``: name in the signature → tensor."""
_FOLDER = "tfjs"


@dataclass
class Options:
    """See ``conf/export/tfjs.yaml``."""

    storage: Literal["float32", "float16", "uint8", "uint16"] = "float32"


def export(model: Model, options: Options, out: Path) -> Artifact:
    """Convert the SavedModel's signature; say which tensor each of its names has become.

    Raises:
        Unsupported: ``no_such_form``.
        StageFailed: ``lost_names``; ``onednn_on``, see ``to_tfjs``.
        ValueError: the converter's, for operators that TensorFlow.js does not have.
    """
    if model.recipe["scheme"] != "none" and "saved_model" not in model.recipe:
        raise Unsupported(f"{model.recipe['scheme']} has no form in TensorFlow.js", "no_such_form")
    to_tfjs.convert(model.saved_model, out / _FOLDER, options.storage)
    names = tensors(model.saved_model)
    _require(names, model.info)
    _name_ports(out / _FOLDER / "model.json", names)
    values: dict[str, Value] = {}
    if options.storage != "float32":
        values["form"] = f"weights stored as {options.storage}, unpacked to float32 when they are loaded"
    return Artifact(_FOLDER, values, {"signature_map": names})


def tensors(saved_model: Path) -> Names:
    """Return which tensor each name of the signature stands for, as in ``boxes``: ``Identity_1:0``."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved_model))
    function = loaded.signatures["serving_default"]
    _, keywords = function.structured_input_signature
    given = len(function.inputs) - len(function.captured_inputs)  # what it holds itself stands at the end
    images = [one.name for one in function.inputs[:given]]
    results = [one.name for one in function.outputs]
    # TensorFlow flattens a dict in the order of its sorted keys
    return {
        "inputs": dict(zip(sorted(keywords), images, strict=True)),
        "outputs": dict(zip(sorted(function.structured_outputs), results, strict=True)),
    }


def _require(names: Names, info: dict[str, Any]) -> None:
    wanted = {"inputs": [info["input"]["name"]], "outputs": [one["name"] for one in info["outputs"]]}
    for side, asked in wanted.items():
        if sorted(names[side]) != sorted(asked):
            raise StageFailed(f"the SavedModel's {side} are {sorted(names[side])}; asked for {asked}", "lost_names")


def _name_ports(file: Path, names: Names) -> None:
    """Write the signature's names into model.json.

    The converter finds them by dtype and shape: of outputs of one shape it calls each as its tensor.
    """
    content = json.loads(file.read_bytes())
    for side, wanted in names.items():
        ports = {port["name"]: port for port in (content.get("signature", {}).get(side) or {}).values()}
        gone = [f"{name} ({tensor})" for name, tensor in wanted.items() if tensor not in ports]
        if gone:
            raise StageFailed(f"model.json has lost of the {side}: {', '.join(gone)}", "lost_names")
        content["signature"][side] = {name: ports[tensor] for name, tensor in wanted.items()}
    file.write_text(json.dumps(content, separators=(",", ":")))
