"""All 29 by name; ImageNet weights from a local file, in the graph that belongs to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from zoo import architectures
from zoo.errors import ZooError

CONF = Path(__file__).parents[2] / "conf" / "model"


def choices() -> dict[str, Any]:
    """Every file of ``conf/model`` that describes a zoo model."""
    loaded = {path.stem: OmegaConf.to_container(OmegaConf.load(path)) for path in CONF.glob("*.yaml")}
    return {name: one for name, one in loaded.items() if "architecture" in one and name != "custom"}


def test_every_architecture_is_described_once() -> None:
    described = [one["architecture"] for one in choices().values()]
    assert sorted(described) == sorted(architectures.ARCHITECTURES)
    assert len(described) == 29


@pytest.mark.parametrize("name", choices())
def test_description(name: str) -> None:
    text = (CONF / f"{name}.yaml").read_text()
    assert text.startswith(f"# @package model.{name}\n")
    one = choices()[name]
    assert name.replace("_", "") == one["architecture"].lower()
    assert one["preprocessing"] in ("none", "tf", "caffe", "torch")
    assert 32 <= one["small_size"] <= 64 < one["input_size"] <= 600
    own = one["architecture"] in architectures.OWN
    assert one["published"] is None if own else 65 < one["published"]["top1"] < 90


def test_sets() -> None:
    sets = {path.stem: OmegaConf.load(path).get("defaults") for path in CONF.glob("*.yaml")}
    members = {name: list(one) for name, one in sets.items() if one is not None}
    assert {name: len(one) for name, one in members.items()} == {
        "all": 25,
        "small": 8,
        "resnet": 6,
        "densenet": 3,
        "efficientnet": 8,
        "efficientnet_v2": 7,
        "mobilenets": 4,
    }
    families = ("resnet", "densenet", "efficientnet", "efficientnet_v2", "mobilenets")
    own = {name for name, one in choices().items() if one["architecture"] in architectures.OWN}
    assert {model for family in families for model in members[family]} == set(choices()) - own
    assert set(members["all"]) < set(choices())
    assert set(members["small"]) < set(members["all"])


def test_our_own_models_have_no_imagenet_weights() -> None:
    with pytest.raises(ZooError, match="no ImageNet weights"):
        architectures.build_imagenet("MobileNetSymmetric", (224, 224, 3), None)


def test_build() -> None:
    model = architectures.build("MobileNetV3Small", (32, 32, 3), 7)
    assert model.output_shape == (None, 7)
    with pytest.raises(ZooError, match=r"MobileNetV2 cannot take input \(16, 16, 3\): Input size"):
        architectures.build("MobileNetV2", (16, 16, 3), 7)
    with pytest.raises(ZooError, match="'ResNet51' is unknown; allowed: ResNet50"):
        architectures.build("ResNet51", (32, 32, 3), 7)


def test_local_imagenet_weights_keep_the_multiply(tmp_path: Path) -> None:
    file = tmp_path / "efficientnet_b0.h5"
    plain = architectures.build("EfficientNetB0", (224, 224, 3), 1000)
    plain.save_weights(str(file))
    model = architectures.build_imagenet("EfficientNetB0", (224, 224, 3), file)
    multiplies = [layer.name for layer in model.layers if "multiply" in layer.name and "se_" not in layer.name]
    assert [name.split("_")[0] for name in multiplies] == ["tf.math.multiply"]
    for mine, theirs in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_local_weights_that_do_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "small.h5"
    architectures.build("MobileNetV2", (32, 32, 3), 10).save_weights(str(file))
    with pytest.raises(ZooError, match=r"MobileNetV2 cannot be built from .*small\.h5: .*shape") as e:
        architectures.build_imagenet("MobileNetV2", (224, 224, 3), file)
    assert "\n" not in str(e.value)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ZooError, match=r"cannot be built from .*small\.h5"):
        architectures.build_imagenet("MobileNetV2", (224, 224, 3), file)
    with pytest.raises(ZooError, match=r"task\.weights: there is no file .*none\.h5"):
        architectures.build_imagenet("MobileNetV2", (32, 32, 3), tmp_path / "none.h5")


def test_no_network_says_what_to_download(monkeypatch: pytest.MonkeyPatch) -> None:
    from tf_keras.src.applications import mobilenet_v2

    def get_file(name: str, origin: str, **_: Any) -> str:
        raise OSError(f"URL fetch failure on {origin}: None --\n name resolution")

    monkeypatch.setattr(mobilenet_v2.data_utils, "get_file", get_file)
    with pytest.raises(ZooError, match=r"fetch https://\S+_224\.h5 .* put it at ~/\.keras/models/mobilenet") as e:
        architectures.build_imagenet("MobileNetV2", (224, 224, 3), None)
    assert "\n" not in str(e.value)
    assert "task.weights=" in str(e.value)
