"""The SavedModel as an artifact: the source itself, byte for byte, and nothing that it is not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import files
from harness.errors import Unsupported
from harness.exporters import saved_model as exporter
from harness.exporters.contract import Model


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): files.sha256(path) for path in files.walk(folder)}


def test_it_is_a_whole_copy_with_its_names(lab: Any, tmp_path: Path) -> None:
    import tensorflow as tf

    path, artifact = lab.export("saved_model", tmp_path / "out")
    assert (artifact.file, artifact.values) == ("saved_model", {})
    assert content(path) == content(lab.root / "saved_model")
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert list(signature.structured_input_signature[1]) == ["scan"]
    found = signature(scan=tf.constant((lab.images[:1] / 127.5 - 1).astype(np.float32)))
    assert sorted(found) == ["about", "kind", "where/xy"]
    for name, value in found.items():
        np.testing.assert_allclose(value.numpy(), lab.reference[name][:1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("scheme", ["dynamic", "int8"])
def test_a_scheme_of_another_format_is_refused(lab: Any, tmp_path: Path, scheme: str) -> None:
    with pytest.raises(Unsupported, match=scheme) as caught:
        lab.export("saved_model", tmp_path / "out", scheme)
    assert caught.value.reason == "no_such_form"
    assert not list((tmp_path / "out").iterdir())


def test_a_quantizer_that_brings_its_own_saved_model_is_taken(lab: Any, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(lab.root / "saved_model", own)
    model = Model(own, lab.info, {"scheme": "int8", "saved_model": True}, tmp_path)
    (tmp_path / "out").mkdir()
    exporter.export(model, exporter.Options(), tmp_path / "out")
    assert content(tmp_path / "out" / "saved_model") == content(own)
