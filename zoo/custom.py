"""Your own model: a ``.keras`` file, a SavedModel folder or, when trusted, an ``.h5`` of any architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo import inspection
from zoo.errors import ZooError
from zoo.network import Network, from_keras, readable

Wanted = tuple[int | None, int | None, int | None]
"""Height, width and channels, None where the file decides."""
_TRUST = "set model.custom.trust=true if you trust where it comes from"


def image_shape(model: dict[str, Any], size: int | None) -> tuple[int, int, int]:
    """Return height, width and channels of the images that the file takes.

    ``model`` has the fields of ``conf/model/custom.yaml``; ``size`` fills in a free height and width.

    Raises:
        ZooError: as ``load``.
    """
    side = size or model.get("input_size")
    return _open(model, (side, side, model.get("channels"))).shape


def load(model: dict[str, Any], shape: tuple[int, int, int]) -> Network:
    """Load the model of ``model["path"]`` for images of ``shape`` (height, width, channels).

    Raises:
        ZooError: no file, damaged, runs code and is not trusted, not one image input, another image shape.
    """
    return _open(model, shape)


def _open(model: dict[str, Any], wanted: Wanted) -> Network:
    path, trusted = Path(str(model["path"])).expanduser(), bool(model.get("trust"))
    if not path.exists():
        raise ZooError(f"model.custom.path: there is no file or folder {path}")
    if path.is_dir() and (path / "saved_model.pb").is_file():
        return _open_saved_model(path, trusted, wanted)
    if path.suffix == ".keras":
        return _from_keras(_read_keras(path, trusted), path, wanted)
    if path.suffix in (".h5", ".hdf5"):
        if not trusted:
            raise ZooError(f"{path}: loading an .h5 can run code of the file's choice; {_TRUST}")
        return _from_keras(_load_keras(path, legacy=True, trusted=True), path, wanted)
    raise ZooError(f"{path} is not a .keras file, a SavedModel folder or an .h5 file")


def _read_keras(path: Path, trusted: bool) -> Any:
    config, version = inspection.keras_config(path)
    code = inspection.code_in_config(config)
    if code and not trusted:
        raise ZooError(f"{path} holds {code}, which can run code of the file's choice; {_TRUST}")
    return _load_keras(path, legacy=version.startswith("2"), trusted=trusted)


def _load_keras(path: Path, *, legacy: bool, trusted: bool) -> Any:
    """Load by the Keras generation that wrote the file."""
    if legacy:
        from tf_keras.models import load_model
    else:
        from keras.models import load_model  # type: ignore[import-untyped]
    try:
        return load_model(str(path), compile=False, safe_mode=not trusted)
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise ZooError(f"{path} cannot be loaded: {text or type(error).__name__}") from error


def _from_keras(model: Any, path: Path, wanted: Wanted) -> Network:
    inputs = list(getattr(model, "inputs", None) or [])
    if len(inputs) != 1:
        raise ZooError(f"{path}: one image input is needed, the model has {len(inputs) or 'no'} known inputs")
    shape = _image(path, tuple(inputs[0].shape), wanted)
    name = str(getattr(inputs[0], "name", "image"))
    network = from_keras(model, shape, name)
    one_by_one = inputs[0].shape[0] == 1
    keras = model if type(model).__module__.startswith("tf_keras") else None
    return Network(network.call, network.variables, shape, network.input_name, keras=keras, one_by_one=one_by_one)


def _open_saved_model(path: Path, trusted: bool, wanted: Wanted) -> Network:
    import tensorflow as tf

    code = inspection.code_in_saved_model(path)
    if code and not trusted:
        raise ZooError(f"{path} holds {code}, which run Python or touch files; {_TRUST}")
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise ZooError(f"{path} cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    signature = _signature(path, loaded.signatures)
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ZooError(f"{path}: one image input is needed, the signature has {sorted(inputs)}")
    ((name, spec),) = inputs.items()
    rank = spec.shape.rank
    shape = _image(path, tuple(spec.shape.as_list()) if rank is not None else (), wanted)

    def call(image: Any) -> dict[str, Any]:
        results = signature(**{name: tf.cast(image, spec.dtype)})
        return {key: tf.cast(value, tf.float32) for key, value in results.items()}

    # the loaded object must outlive its functions, which hold its variables only weakly
    call.__dict__["owner"] = loaded
    variables = list(getattr(loaded, "variables", None) or signature.variables)
    return Network(call, variables, shape, readable(name), one_by_one=spec.shape[0] == 1)


def _signature(path: Path, signatures: Any) -> Any:
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) != 1:
        raise ZooError(f"{path} has no signature 'serving_default'; it has {sorted(signatures) or 'none'}")
    return next(iter(signatures.values()))


def _image(path: Path, shape: tuple[int | None, ...], wanted: Wanted) -> tuple[int, int, int]:
    """Height, width and channels of an input of ``shape`` (batch first), free ones filled in."""
    if len(shape) != 4 or shape[3] not in (1, 3, None):
        raise ZooError(f"{path} has no image input: (batch, height, width, 1 or 3) is needed, the model has {shape}")
    height, width, channels = (own or other for own, other in zip(shape[1:], wanted, strict=True))
    if not height or not width:
        raise ZooError(f"{path} takes images of any size: set model.custom.input_size=<pixels>")
    found = (height, width, channels or 3)
    if any(other not in (None, own) for own, other in zip(found, wanted, strict=True)):
        raise ZooError(
            f"{path} takes images of {_text(found)} and not of {_text(wanted)}: "
            "leave model.custom.input_size and model.custom.channels to the file"
        )
    return found


def _text(shape: Wanted) -> str:
    return "×".join("any" if one is None else str(one) for one in shape)
