"""One small network with three named outputs, saved as the zoo saves it; every export of a session made once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import plugins
from harness.exporters.contract import Artifact, Model

CALIBRATION = 12


@dataclass
class Lab:
    """A saved model with its images; exports into folders of their own."""

    root: Path
    shape: tuple[int, int, int]
    info: dict[str, Any] = field(default_factory=dict)
    _made: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root.mkdir()
        self.images = np.random.default_rng(0).integers(0, 256, (CALIBRATION, *self.shape), dtype=np.uint8)
        np.save(self.root / "calibration_images.npy", self.images)
        from zoo import network, saved_model

        kept = network.from_keras(build(self.shape), self.shape, "scan")
        shapes = saved_model.save(kept, self.root / "saved_model")
        self.reference = network.predict(kept, self.images, "tf")
        outputs = [{"name": name, "shape": list(shape)} for name, shape in shapes.items()]
        self.info = {"input": {"name": kept.input_name, "shape": [1, *self.shape]}, "outputs": outputs,
                     "preprocessing": "tf", "primary": "kind", "classes": 5}  # fmt: skip

    def model(self, scheme: str = "none", **recipe: Any) -> Model:
        """What an exporter gets; ``recipe`` as quantizers write it."""
        calibrated = scheme.startswith(("int", "uint"))
        plain = {} if scheme == "none" else {"per_channel": True, "deny_ops": [], "deny_layers": [],
                                             "calibration_images": 8 if calibrated else 0}  # fmt: skip
        found = {"scheme": scheme, **plain, **recipe}
        return Model(self.root / "saved_model", self.info, found, self.root / "calibration_images.npy")

    def export(
        self, method: str, out: Path, scheme: str = "none", *, options: Any = None, **recipe: Any
    ) -> tuple[Path, Artifact]:
        """Export into ``out``, which is made; return the artifact's path and what the exporter says of it."""
        module = plugins.load("exporters", method)
        out.mkdir(parents=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the converters
            artifact = module.export(self.model(scheme, **recipe), plugins.options(module, options or {}), out)
        return out / artifact.file, artifact

    def made(self, method: str, scheme: str = "none", **recipe: Any) -> Path:
        """Return the artifact of a recipe, exported once in a session."""
        name = "_".join([method, scheme, *(f"{k}-{v}" for k, v in recipe.items())]).replace("/", "-")
        if name not in self._made:
            self._made[name] = self.export(method, self.root / name, scheme, **recipe)[0]
        return self._made[name]


def build(shape: tuple[int, int, int]) -> Any:
    """Conv 3×3/2, depthwise, with BN and relu6; 1×1, mean; outputs ``kind`` (5), ``where/xy`` (2), ``about`` (2)."""
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(3)
    x = image = layers.Input(shape, name="scan")
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(name="stem_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="deep")(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(name="deep_bn")(x))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(80, 1, activation="relu6", name="point")(x))
    kind = layers.Dense(5, activation="softmax", name="kind")(x)
    where = layers.Dense(2, name="where")(x)
    about = layers.Dense(2, name="about")(x)
    return tf_keras.Model(image, {"kind": kind, "where/xy": where, "about": about})


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The network for 16×16 pictures in colour."""
    return Lab(tmp_path_factory.mktemp("exporters") / "colour", (16, 16, 3))


@pytest.fixture(scope="session")
def gray(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The same for one channel, not square."""
    return Lab(tmp_path_factory.mktemp("exporters") / "gray", (12, 20, 1))
