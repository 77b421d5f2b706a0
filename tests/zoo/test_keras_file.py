"""Reading a ``.keras`` file: the same model as Keras reads, and no second look at what was read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from zoo import architectures, keras_file


@pytest.mark.parametrize("name", ["MobileNetV3Small", pytest.param("EfficientNetB0", marks=pytest.mark.slow)])
def test_it_is_the_model_that_keras_reads(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    file = tmp_path / "model.keras"
    architectures.build(name, (32, 32, 3), 10).save(file)
    ours, theirs = keras_file.load(file), tf.keras.models.load_model(file, compile=False)
    assert [one.name for one in ours.layers] == [one.name for one in theirs.layers]
    assert not getattr(ours, "optimizer", None)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(ours(image), theirs(image))


def test_what_is_no_such_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(zipfile.BadZipFile):
        keras_file.load(file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(KeyError, match=r"model\.weights\.h5"):
        keras_file.load(file)
