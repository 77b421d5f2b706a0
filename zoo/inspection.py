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
_CODE_CLASSES = frozenset({"Lambda", "TFSMLayer", "__lambda__"})
_FUNCTION_MODULES = frozenset(
    f"{root}.{part}"
    for root in ("keras", "tf_keras")
    for part in ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
)
_OP_CLASSES = frozenset(("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty"))
_DANGEROUS_FUNCTION = re.compile(r"(^|\.)(io|raw_ops|py_function|numpy_function|load_\w*|saved_model|data)(\.|$)")
_DANGEROUS_OP = re.compile(
    r"PyFunc\w*|EagerPyFunc|ReadFile|WriteFile|MatchingFiles|PrintV2|ImmutableConst|Save|SaveSlices"
    r"|\w+Reader(V2)?|(TextLine|TFRecord|FixedLengthRecord|DataService)Dataset\w*"
    r"|\w*SummaryFileWriter|WriteSummary|DebugIdentity\w*|Rpc\w+"
)
"""Ops that run Python, or read or write files; SaveV2 and RestoreV2 are in every SavedModel."""


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
        function = str(inner.get("function") or inner.get("cls_symbol") or "")
        return f"a call of {function}" if _DANGEROUS_FUNCTION.search(function) else None
    module = part.get("module")
    if not isinstance(module, str):
        return None
    if kind == "function":
        known = module in _FUNCTION_MODULES or (module == "builtins" and not hasattr(builtins, str(inner)))
        return None if known else f"the function {module}.{inner}"
    roots = ("keras", "tf_keras", "builtins", *(["tensorflow"] if kind == "__typespec__" else []))
    return None if module.split(".")[0] in roots else f"the class {module}.{kind}"


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
    return f"the ops {', '.join(sorted(found))}" if found else None
