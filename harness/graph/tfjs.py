"""Read a TensorFlow.js graph model: ``model.json``, with weights in shards that are read only where somebody looks.

Its graph is a GraphDef written as JSON, after Grappler: batch norms folded, operators fused. Quantized weights are
read as they are stored: ``real = scale * stored + min``, so the zero point is rounded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from harness.errors import StageFailed
from harness.graph import saved_model, tensorflow_shapes, wire
from harness.graph.graph_def import check
from harness.graph.mapped import array, mapped
from harness.graph.model import Graph, Tensor

_BYTES = 2**28
"""A model.json is text without weights; one of more bytes is none."""
_SIZES = {"float32": 4, "int32": 4, "bool": 1, "float16": 2, "uint8": 1, "uint16": 2, "complex64": 8}


@dataclass(frozen=True, slots=True)
class Weight:
    """One entry of the manifest."""

    dtype: str
    """As stored."""
    shape: tuple[int, ...]
    content: memoryview
    scale: float | None = None
    minimum: float = 0.0

    def tensor(self, name: str, number: int) -> Tensor:
        """Return it as a constant in buffer ``number``."""
        scaled = self.scale is not None and self.dtype.startswith("uint")
        return Tensor(
            name,
            self.dtype,
            self.shape,
            scales=(self.scale,) if scaled and self.scale is not None else (),
            zero_points=(round(-self.minimum / self.scale) if self.scale else 0,) if scaled else (),
            constant=True,
            bytes=len(self.content),
            buffer=number,
            data=None if self.dtype not in _SIZES else array(self.content, self.dtype, self.shape),
        )


def read(path: Path) -> Graph:
    """Return the graph of the model.json at ``path``, or in that folder, the sizes of its shards checked.

    Raises:
        StageFailed: ``broken_file``.
    """
    from google.protobuf import json_format  # type: ignore[import-untyped]

    path = path / "model.json" if path.is_dir() else path
    try:
        model = _model(path)
        weights = _weights(model.get("weightsManifest", []), path.parent)
        meta = _meta(model, weights)
        return saved_model.read_meta(meta, "tfjs", _Manifest(weights))
    except OSError as error:
        raise StageFailed(f"{path.name}: {error}", "broken_file") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, json_format.ParseError) as error:
        raise StageFailed(f"{path.name}: not a sound TensorFlow.js graph model: {error}", "broken_file") from error


def _model(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _BYTES:
        raise ValueError(f"it is larger than {_BYTES} bytes")
    model = json.loads(path.read_bytes())
    if not isinstance(model, dict) or not isinstance(model.get("modelTopology"), dict):
        raise ValueError("it has no modelTopology")  # noqa: TRY004
    if "node" not in model["modelTopology"]:
        raise ValueError("it is a layers model, not a graph model; convert it from the .keras file or SavedModel")
    return model


def _weights(manifest: list[Any], folder: Path) -> dict[str, Weight]:
    """Return name → weight; the shards of a group are one run of bytes."""
    found: dict[str, Weight] = {}
    for group in manifest:
        shards = [_shard(folder, name) for name in group["paths"]]
        content, place = shards[0] if len(shards) == 1 else _Joined(shards), 0
        for one in group["weights"]:
            weight = _weight(one, content, place)
            found[one["name"]] = weight
            place += len(weight.content)
        if place > sum(map(len, shards)):
            raise ValueError("its shards are cut off")
    return found


def _shard(folder: Path, name: str) -> memoryview:
    file = folder / name
    if not name or PurePath(name).name != name or "\\" in name or file.is_symlink():
        raise ValueError(f"the shard '{name}' is no plain file beside it")
    return mapped(file)


class _Joined:
    """Several shards as one run of bytes; a weight that lies across a border is copied."""

    def __init__(self, shards: list[memoryview]) -> None:
        self._shards = shards

    def __getitem__(self, wanted: slice) -> memoryview:
        parts, first = [], 0
        for shard in self._shards:
            parts.append(shard[max(0, wanted.start - first) : max(0, wanted.stop - first)])
            first += len(shard)
        parts = [part for part in parts if len(part)]
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))


def _weight(one: dict[str, Any], content: memoryview | _Joined, place: int) -> Weight:
    quantization = one.get("quantization") or {}
    dtype, shape = str(quantization.get("dtype") or one["dtype"]), tuple(int(size) for size in one["shape"])
    if dtype == "string":
        raise ValueError(f"the weight '{one['name']}' is text, which is not read here")
    if dtype not in _SIZES or min(shape, default=0) < 0:
        raise ValueError(f"the weight '{one['name']}' is {dtype} {list(shape)}; read: {', '.join(_SIZES)}")
    size = prod(shape) * _SIZES[dtype]
    found = content[place : place + size]
    if len(found) != size:
        raise ValueError(f"the shards end before the weight '{one['name']}' does")
    scale = quantization.get("scale")
    return Weight(dtype, shape, found, None if scale is None else float(scale), float(quantization.get("min") or 0.0))


def _meta(model: dict[str, Any], weights: dict[str, Weight]) -> Any:
    """Return the graph with its signature; without one, placeholders and unread nodes are its ports."""
    from google.protobuf import json_format
    from tensorflow.core.framework import graph_pb2
    from tensorflow.core.protobuf import meta_graph_pb2

    graph = json_format.ParseDict(model["modelTopology"], graph_pb2.GraphDef(), ignore_unknown_fields=True)
    check(graph)
    _put_values(graph, weights)
    tensorflow_shapes.infer(graph, lambda node: node.name not in weights or _small(weights[node.name]))
    meta = meta_graph_pb2.MetaGraphDef(graph_def=graph)
    given = model.get("signature") or (model.get("userDefinedMetadata") or {}).get("signature")
    if given and given.get("outputs"):
        ports = {side: given.get(side) or {} for side in ("inputs", "outputs")}
        json_format.ParseDict(ports, meta.signature_def[saved_model.SIGNATURE], ignore_unknown_fields=True)
    else:
        saved_model.add_signature(meta)
    return meta


def _small(weight: Weight) -> bool:
    return len(weight.content) <= wire.KEEP and weight.scale is None


def _put_values(graph: Any, weights: dict[str, Weight]) -> None:
    """Write small constants into their nodes: shapes depend on some of them."""
    from tensorflow.python.framework import tensor_util

    for node in graph.node:
        weight = weights.get(node.name)
        if node.op == "Const" and weight is not None and _small(weight):
            values = array(weight.content, weight.dtype, weight.shape)
            kind = {1: np.float32, 3: np.int32, 10: np.bool_}.get(node.attr["dtype"].type, values.dtype)
            node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(values.astype(kind), shape=weight.shape))


class _Manifest:
    """Constants in shards; see ``tensorflow_constants.Constants``."""

    def __init__(self, weights: dict[str, Weight]) -> None:
        self._weights = weights

    def tensor(self, raw: Any, name: str, number: int) -> Tensor:
        """Return the weight of a ``Const`` node."""
        if raw.name not in self._weights:
            raise ValueError(f"the manifest has no weight '{raw.name}'")
        return self._weights[raw.name].tensor(name, number)
