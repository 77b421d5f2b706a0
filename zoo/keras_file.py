"""A ``.keras`` archive of ours, read in the time that its bytes take."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

WEIGHTS = "model.weights.h5"


def load(path: Path) -> Any:
    """Return the uncompiled ``tf_keras`` model of a file that ``model.save`` wrote.

    The same as ``tf.keras.models.load_model(path, compile=False)``, which reads the weights inside the archive: each
    step back in there begins at its first byte again, so the time grows with the size times the number of layers
    (ResNet50: 17 s instead of 3.8).

    Raises:
        OSError, zipfile.BadZipFile, KeyError: not such a file.
    """
    import tensorflow as tf

    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
        config = json.loads(archive.read("config.json")) | {"compile_config": None}
        weights = archive.extract(WEIGHTS, folder)
        model = tf.keras.saving.deserialize_keras_object(config)
        model.load_weights(weights)
    return model
