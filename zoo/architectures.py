"""The models of the zoo by name: 28 of Keras Applications and one of our own; never from a foreign file."""

from __future__ import annotations

import contextlib
import importlib
import socket
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

_RESNET = ("ResNet50", "ResNet101", "ResNet152", "ResNet50V2", "ResNet101V2", "ResNet152V2")
_DENSENET = ("DenseNet121", "DenseNet169", "DenseNet201")
_EFFICIENTNET = tuple(f"EfficientNetB{number}" for number in range(8))
_EFFICIENTNET_V2 = tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "S", "M", "L"))
_MODULES = {
    **dict.fromkeys(_RESNET, "resnet"),
    **dict.fromkeys(_DENSENET, "densenet"),
    **dict.fromkeys(_EFFICIENTNET, "efficientnet"),
    **dict.fromkeys(_EFFICIENTNET_V2, "efficientnet_v2"),
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "MobileNetV3Large": "mobilenet_v3",
}
"""Architecture → module of ``tf_keras.src.applications`` that fetches its weights."""

OWN = ("MobileNetSymmetric",)
"""Built here; nobody publishes weights for them."""
ARCHITECTURES = (*_MODULES, *OWN)
DOWNLOAD_TIMEOUT_S = 30.0


def build(architecture: str, shape: tuple[int, int, int], classes: int) -> Any:
    """Return the ``tf_keras`` model with fresh random weights, softmax output (1, ``classes``).

    Raises:
        ZooError: unknown architecture, or an input shape it cannot take.
    """
    if architecture == "MobileNetSymmetric":
        from zoo import mobilenet_symmetric

        return mobilenet_symmetric.build(shape, classes)
    constructor = _constructor(architecture)
    try:
        return constructor(weights=None, input_shape=shape, classes=classes)
    except ValueError as error:
        raise ZooError(f"{architecture} cannot take input {shape}: {_line(error)}") from error


def build_imagenet(architecture: str, shape: tuple[int, int, int], weights: Path | None) -> Any:
    """Return the ``tf_keras`` model with its 1,000-class ImageNet weights.

    ``weights`` is a local file in the format that Keras itself downloads, or None to use Keras' own cache
    or the network. In both cases the graph is the one Keras builds for ``weights="imagenet"``, which for
    EfficientNetB0–B7 has a multiply that ``weights=None`` has not.

    Raises:
        ZooError: the file is not there, does not fit, or cannot be downloaded; says what to put where.
    """
    if architecture in OWN:
        raise ZooError(f"{architecture} is a model of this zoo: there are no ImageNet weights of it")
    constructor = _constructor(architecture)
    if weights is not None and not weights.is_file():
        raise ZooError(f"task.weights: there is no file {weights}")
    with _fetching(architecture, weights):
        try:
            return constructor(weights="imagenet", input_shape=shape)
        except (ValueError, OSError) as error:
            if isinstance(error, ZooError):
                raise
            source = weights or "the ImageNet weights"
            raise ZooError(f"{architecture} cannot be built from {source}: {_line(error)}") from error


def _constructor(architecture: str) -> Callable[..., Any]:
    if architecture not in _MODULES:
        raise ZooError(f"architecture '{architecture}' is unknown; allowed: {', '.join(ARCHITECTURES)}")
    import tf_keras

    constructor: Callable[..., Any] = getattr(tf_keras.applications, architecture)
    return constructor


@contextlib.contextmanager
def _fetching(architecture: str, weights: Path | None) -> Iterator[None]:
    """Let the application's module fetch weights from ``weights``, or through Keras with readable errors."""
    module = importlib.import_module(f"tf_keras.src.applications.{_MODULES[architecture]}")
    original = module.data_utils

    def get_file(name: str, origin: str, **options: Any) -> str:
        return str(weights) if weights else _download(original.get_file, name, origin, options)

    module.__dict__["data_utils"] = types.SimpleNamespace(get_file=get_file)
    try:
        yield
    finally:
        module.__dict__["data_utils"] = original


def _download(get_file: Callable[..., str], name: str, origin: str, options: dict[str, Any]) -> str:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        return get_file(name, origin, **options)
    except Exception as error:
        raise ZooError(
            f"ImageNet weights cannot be downloaded ({_line(error)}): "
            f"fetch {origin} on a machine with network and put it at ~/.keras/models/{name}, "
            "or name the file with task.weights=<file or folder>"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _line(error: Exception) -> str:
    """The message on one line, at most 300 characters."""
    return " ".join(str(error).split())[:300]
