"""What a foreign model file would run when loaded, found without loading it.

Keras' own safe mode looks at lambdas alone: tf_keras imports whatever module a configuration names
(CVE-2025-1550), so configurations are checked here first.
"""

from __future__ import annotations

import builtins
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

_CONFIG_BYTES = 64 * 2**20
_CODE_CLASSES = frozenset({"Lambda", "TFSMLayer", "TensorFlowOpLayer", "__lambda__"})
_FUNCTION_MODULES = frozenset(
    f"{root}.{part}"
    for root in ("keras", "tf_keras")
    for part in ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
)
_OP_CLASSES = frozenset(("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty"))
_ALIASES = re.compile(r"(compat\.v[12]\.)+")
"""TensorFlow has its functions under their old names too: ``compat.v1.transpose`` is what ``tf.transpose`` saves."""
_ARITHMETIC = frozenset(("__operators__", "bitwise", "image", "linalg", "math", "nn", "random", "signal"))
"""Namespaces of TensorFlow in which nothing touches files, runs Python or prints."""
_FUNCTIONS = """
abs acos add add_n argmax argmin argsort asin atan atan2 batch_to_space_nd boolean_mask broadcast_to cast ceil
clip_by_norm clip_by_value concat constant convert_to_tensor cos cosh cumsum depth_to_space div divide divide_no_nan
einsum equal exp expand_dims eye fill floor floordiv gather gather_nd greater greater_equal identity less less_equal
linspace log logical_and logical_not logical_or matmul maximum meshgrid minimum mod multiply negative norm not_equal
one_hot ones ones_like pad pow range rank real realdiv reduce_all reduce_any reduce_logsumexp reduce_max reduce_mean
reduce_min reduce_prod reduce_std reduce_sum reduce_variance repeat reshape reverse roll round rsqrt scatter_nd shape
sigmoid sign sin size slice sort space_to_batch_nd space_to_depth split sqrt square squared_difference squeeze stack
stop_gradient strided_slice subtract tan tanh tensordot tensor_scatter_nd_add tensor_scatter_nd_update tile top_k
transpose truediv unstack where zeros zeros_like
"""
"""Functions at the top of TensorFlow of which the same is true. All others are code of the file's choice."""
_TENSOR_CLASSES = re.compile(r"(\w+\.)*(Ragged|Sparse)Tensor")
_READS_A_FILE = re.compile(r".*candidate_sampler")
"""Functions of those namespaces that take the name of a file all the same."""
_DANGEROUS_OP = re.compile(
    r"PyFunc\w*|EagerPyFunc|ReadFile|WriteFile|MatchingFiles|PrintV2|ImmutableConst|Save|SaveSlices"
    r"|\w+Reader(V2)?|\w*(TextLine|TFRecord|FixedLengthRecord|DataService|CSV|LMDB|Sql|Snapshot|Cache)Dataset\w*"
    r"|\w*DatasetToTFRecord|(Save|Load)Dataset\w*|RecordInput|FixedUnigramCandidateSampler"
    r"|\w*Summary\w*Writer|WriteSummary|Debug(Identity|NanCount|NumericSummary)\w*|Rpc\w+"
)
"""Ops that run Python, or read or write files."""
_WRITERS = frozenset({"SaveV2", "MergeV2Checkpoints"})
"""Ops that write a checkpoint: every SavedModel has a function of them, which nothing calls that computes."""


def keras_config(path: Path) -> tuple[dict[str, Any], str]:
    """Return the configuration of a ``.keras`` file and the Keras version that wrote it.

    Raises:
        ZooError: not a whole ``.keras`` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(_member(archive, "config.json"))
            version = json.loads(_member(archive, "metadata.json")).get("keras_version", "2")
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, AttributeError) as error:
        raise ZooError(f"{path} is damaged, truncated or not a .keras file: {error}") from error
    if not isinstance(config, dict):
        raise ZooError(f"{path} is damaged: its config.json holds no model")
    return config, str(version)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _CONFIG_BYTES:
        raise ValueError(f"{name} is larger than {_CONFIG_BYTES} bytes")
    return archive.read(name)


def code_in_config(config: Any) -> str | None:
    """Name the first part of a Keras configuration that would run code of the file's choice, or None."""
    return next((reason for part in _parts(config) if (reason := _code_in_part(part))), None)


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _code_in_part(part: dict[str, Any]) -> str | None:
    kind, inner = part.get("class_name"), part.get("config")
    if not isinstance(kind, str):
        return None
    name = inner.get("name", "") if isinstance(inner, dict) else ""
    if kind in _CODE_CLASSES:
        return f"a {kind.strip('_')} layer {name}".strip()
    if kind in _OP_CLASSES and isinstance(inner, dict):
        return _code_in_call(inner)
    module = part.get("module")
    if not isinstance(module, str):
        return None
    if kind == "function":
        known = module in _FUNCTION_MODULES or (module == "builtins" and not hasattr(builtins, str(inner)))
        return None if known else f"the function {module}.{inner}"
    roots = ("keras", "tf_keras", "builtins", *(["tensorflow"] if kind == "__typespec__" else []))
    return None if module.split(".")[0] in roots else f"the class {module}.{kind}"


def _code_in_call(inner: dict[str, Any]) -> str | None:
    """Name what a layer that is a call of TensorFlow calls, None where that is arithmetic."""
    for key, fits in (("function", _is_arithmetic), ("cls_symbol", _TENSOR_CLASSES.fullmatch)):
        name = inner.get(key)
        if name is not None and not (isinstance(name, str) and fits(name)):
            return f"a call of {name}"
    return None


def _is_arithmetic(function: str) -> bool:
    head, *rest = _ALIASES.sub("", function).split(".")
    if _READS_A_FILE.fullmatch(function):
        return False
    return head in _ARITHMETIC if rest else head in _FUNCTIONS.split()


def code_in_saved_model(folder: Path) -> str | None:
    """Name the ops of a SavedModel that run Python or touch files, or None.

    Raises:
        ZooError: ``saved_model.pb`` is damaged.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    try:
        proto.ParseFromString((folder / "saved_model.pb").read_bytes())
    except (DecodeError, OSError) as error:
        raise ZooError(f"{folder}/saved_model.pb is damaged: {error}") from error
    if not proto.meta_graphs:
        raise ZooError(f"{folder}/saved_model.pb is damaged: it holds no graph")
    found: set[str] = set()
    for meta in proto.meta_graphs:
        graphs = [meta.graph_def.node, *(one.node_def for one in meta.graph_def.library.function)]
        found |= {one.op for nodes in graphs for one in nodes if _DANGEROUS_OP.fullmatch(one.op)}
        found |= _writers(meta)
    return f"the ops {', '.join(sorted(found))}" if found else None


def _writers(meta: Any) -> set[str]:
    """Return the ops by which loading or running a graph would write a checkpoint where the graph wants it.

    A SavedModel of TensorFlow 2 is loaded by the functions of its objects: the nodes outside of functions never run. Of
    one of TensorFlow 1 those nodes run that its signatures, the restoring and the initializing need.
    """
    library = {one.signature.name: one.node_def for one in meta.graph_def.library.function}
    nodes = [] if meta.HasField("object_graph_def") else _needed(meta)
    waiting = [name for node in nodes for name in _called(node)] or _functions(meta.object_graph_def)
    found, seen = {node.op for node in nodes if node.op in _WRITERS}, set()
    while waiting:
        name = waiting.pop()
        if name in library and name not in seen:
            seen.add(name)
            found |= {node.op for node in library[name] if node.op in _WRITERS}
            waiting += [other for node in library[name] for other in _called(node)]
    return found


def _functions(objects: Any) -> list[str]:
    """Return the functions that the objects of a SavedModel have; the loader asks them, whatever the index says."""
    names = list(objects.concrete_functions)
    for one in objects.nodes:
        names += [*one.function.concrete_functions, one.bare_concrete_function.concrete_function_name]
    return names


def _needed(meta: Any) -> list[Any]:
    """Return the nodes that run when a graph of TensorFlow 1 is restored, initialized or asked."""
    nodes = {one.name: one for one in meta.graph_def.node}
    tensors = [one for d in meta.signature_def.values() for part in (d.inputs, d.outputs) for one in part.values()]
    waiting = [meta.saver_def.restore_op_name, *(one.name for one in tensors)]
    for kept in meta.collection_def.values():
        waiting += kept.node_list.value
    needed: dict[str, Any] = {}
    while waiting:
        name = waiting.pop().lstrip("^").partition(":")[0]
        if name in nodes and name not in needed:
            needed[name] = nodes[name]
            waiting += nodes[name].input
    return list(needed.values())


def _called(node: Any) -> Iterator[str]:
    """Yield what a node of a graph may call, in any of the ways that there are."""
    yield node.op
    for value in node.attr.values():
        yield value.func.name
        yield from (one.name for one in value.list.func)
