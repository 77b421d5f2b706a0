"""Your own model files: what works, what is refused without trust, and what is broken."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo import custom, inspection
from zoo.errors import ZooError
from zoo.network import predict


def options(path: Path, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "trust": False, "input_size": None, "channels": None, **more}


def net(shape: tuple[int | None, ...] = (10, 14, 1), extra: Any = None) -> Any:
    import tf_keras

    layers = tf_keras.layers
    image = layers.Input(shape, name="scan")
    x = image if extra is None else extra(image)
    x = layers.Conv2D(4, 3, activation="relu", padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(image, [layers.Dense(3, name="kind")(x), layers.Dense(2, "tanh", name="place")(x)])


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    net().save(tmp_path / "net.keras")
    return tmp_path / "net.keras"


def rewrite(path: Path, change: Any) -> None:
    """Apply ``change`` to the text of the configuration inside a ``.keras`` file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = change(members["config.json"].decode())
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, config if name == "config.json" else content)


def test_keras_file_with_named_outputs(keras_file: Path) -> None:
    assert custom.image_shape(options(keras_file), None) == (10, 14, 1)
    network = custom.load(options(keras_file), (10, 14, 1))
    assert network.input_name == "scan"
    assert network.keras is not None
    images = np.random.default_rng(0).integers(0, 256, (5, 10, 14, 1), dtype=np.uint8)
    found = predict(network, images, "none")
    expected = network.keras.predict_on_batch(images.astype(np.float32))
    assert {name: value.shape for name, value in found.items()} == {"kind": (5, 3), "place": (5, 2)}
    np.testing.assert_allclose(found["place"], expected[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
def test_saved_model(tmp_path: Path, fixed: bool) -> None:
    import tensorflow as tf

    model, module = net(), tf.Module()
    module.variables_of_net = model.variables

    def call(scan: Any) -> dict[str, Any]:
        kind, place = model(scan)
        return {"kind": kind, "place": place}

    spec = tf.TensorSpec((1 if fixed else None, 10, 14, 1), tf.float32, name="scan")
    function = tf.function(call).get_concrete_function(spec)
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=function)
    network = custom.load(options(tmp_path / "saved"), (10, 14, 1))
    images = np.random.default_rng(0).integers(0, 256, (3, 10, 14, 1), dtype=np.uint8)
    found = predict(network, images, "none")
    np.testing.assert_allclose(found["kind"], model.predict_on_batch(images * 1.0)[0], rtol=1e-4, atol=1e-4)
    assert network.one_by_one is fixed
    assert network.parameters == model.count_params()


def test_saved_model_that_runs_python(tmp_path: Path) -> None:
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec((1, 4, 4, 3), tf.float32, name="image")
    function = tf.function(
        lambda image: {"out": tf.ensure_shape(tf.numpy_function(np.sin, [image], tf.float32), (1, 4, 4, 3))}
    ).get_concrete_function(spec)
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=function)
    with pytest.raises(ZooError, match=r"the ops PyFunc.*run Python.*model\.custom\.trust=true"):
        custom.load(options(tmp_path / "saved"), (4, 4, 3))
    assert custom.load(options(tmp_path / "saved", trust=True), (4, 4, 3)).shape == (4, 4, 3)
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x0a\xff\xff")
    with pytest.raises(ZooError, match=r"saved_model\.pb is damaged"):
        custom.load(options(tmp_path / "saved"), (4, 4, 3))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_h5_needs_trust(tmp_path: Path) -> None:
    import tf_keras

    path = tmp_path / "net.h5"
    tf_keras.models.save_model(net(), path, save_format="h5")
    with pytest.raises(ZooError, match=r"\.h5 can run code .*set model\.custom\.trust=true"):
        custom.load(options(path), (10, 14, 1))
    assert custom.load(options(path, trust=True), (10, 14, 1)).shape == (10, 14, 1)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ZooError, match=r"net\.h5 cannot be loaded: ") as e:
        custom.load(options(path, trust=True), (10, 14, 1))
    assert "\n" not in str(e.value)


def test_lambda_needs_trust(tmp_path: Path) -> None:
    import tf_keras

    path = tmp_path / "net.keras"
    net(extra=tf_keras.layers.Lambda(lambda x: x * 2, name="double")).save(path)
    with pytest.raises(ZooError, match=r"holds a Lambda layer double, .*trust=true"):
        custom.load(options(path), (10, 14, 1))
    assert custom.load(options(path, trust=True), (10, 14, 1)).shape == (10, 14, 1)


@pytest.mark.parametrize("nested", [False, True])
def test_saved_model_that_writes_a_checkpoint_where_it_wants(tmp_path: Path, nested: bool) -> None:
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    @tf.function
    def write(image: Any) -> Any:
        tf.raw_ops.SaveV2(prefix=str(tmp_path / "wanted"), tensor_names=["x"], shape_and_slices=[""], tensors=[image])
        return tf.reduce_sum(image, axis=[1, 2, 3])

    @tf.function(input_signature=[tf.TensorSpec((None, 10, 14, 1), tf.float32)])
    def function(image: Any) -> Any:
        return write(image) if nested else write.python_function(image)

    module = tf.Module()
    module.function, module.weight = function, tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=function)
    with pytest.raises(ZooError, match=r"holds the ops SaveV2, .*trust=true"):
        custom.load(options(tmp_path / "saved"), (10, 14, 1))
    assert not list(tmp_path.glob("wanted*"))
    proto = saved_model_pb2.SavedModel.FromString((tmp_path / "saved" / "saved_model.pb").read_bytes())
    proto.meta_graphs[0].object_graph_def.ClearField("concrete_functions")  # the loader does without this index
    (tmp_path / "saved" / "saved_model.pb").write_bytes(proto.SerializeToString())
    assert inspection.code_in_saved_model(tmp_path / "saved") == "the ops SaveV2"


@pytest.mark.parametrize("evil", ["no", "a node", "a function"])
def test_saved_model_of_tensorflow_1_that_writes_while_it_is_loaded(tmp_path: Path, evil: str) -> None:
    """Each has nodes that save it, which nobody runs; what its main operator needs is run at once."""
    import tensorflow as tf

    v1, folder = tf.compat.v1, tmp_path / "saved"
    with tf.Graph().as_default(), v1.Session() as session:
        image = v1.placeholder(tf.float32, (None, 4, 4, 3), name="image")
        weight = v1.get_variable("weight", (), use_resource=True)
        written = {"prefix": str(tmp_path / "wanted"), "tensor_names": ["x"], "shape_and_slices": [""]}

        def save(one: Any) -> Any:
            with tf.control_dependencies([tf.raw_ops.SaveV2(**written, tensors=[one])]):
                return tf.identity(one)

        call = tf.function(save) if evil == "a function" else save
        main = v1.group() if evil == "no" else v1.group(call(tf.constant(1.0)))
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        signature = v1.saved_model.predict_signature_def({"image": image}, {"out": image * weight})
        names = {"serving_default": signature}
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=names, main_op=main)
        builder.save()
    assert inspection.code_in_saved_model(folder) == (None if evil == "no" else "the ops SaveV2")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_keras_file(keras_file: Path, share: float) -> None:
    whole = keras_file.read_bytes()
    keras_file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ZooError, match=r"net\.keras is damaged, truncated or not a \.keras file") as e:
        custom.load(options(keras_file), (10, 14, 1))
    assert "\n" not in str(e.value)


def test_damaged_weights(keras_file: Path) -> None:
    with zipfile.ZipFile(keras_file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(keras_file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:500] if name.endswith(".h5") else content)
    with pytest.raises(ZooError, match=r"net\.keras cannot be loaded: "):
        custom.load(options(keras_file), (10, 14, 1))


def test_configuration_that_imports(keras_file: Path) -> None:
    """tf_keras 2.21 in safe mode imports ``module`` and calls what it finds there (CVE-2025-1550)."""
    evil = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "exec"}
    rewrite(keras_file, lambda text: text.replace('"activation": "tanh"', f'"activation": {json.dumps(evil)}'))
    with pytest.raises(ZooError, match=r"the function builtins\.exec, .*trust=true"):
        custom.load(options(keras_file), (10, 14, 1))


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"class_name": "TFSMLayer", "config": {"name": "t"}}, "a TFSMLayer layer t"),
        ({"class_name": "__lambda__", "config": {"value": "x"}}, "a lambda layer"),
        ({"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}, "a call of io.write_file"),
        ({"class_name": "TFOpLambda", "config": {"function": "py_function"}}, "a call of py_function"),
        *(
            ({"class_name": "TFOpLambda", "config": {"function": name}}, f"a call of {name}")
            for name in (
                "random.fixed_unigram_candidate_sampler",
                "compat.v1.nn.fixed_unigram_candidate_sampler",
                "compat.v1.write_file",
                "compat.v1.gfile.DeleteRecursively",
                "print",
                "compat.v1.py_func",
                "keras.utils.get_file",
                "compat.v2.io.write_file",
                "debugging.enable_dump_debug_info",
                "nn",
                "saved_model.load",
                "summary.create_file_writer",
                "math",
                "",
                "evil.compat.v1.abs",
            )
        ),
        ({"class_name": "TFOpLambda", "config": {"function": ["math.abs"]}}, "a call of ['math.abs']"),
        ({"class_name": "ClassMethod", "config": {"cls_symbol": "io.gfile.GFile"}}, "a call of io.gfile.GFile"),
        ({"class_name": "ClassMethod", "config": {"cls_symbol": "RaggedTensor"}}, None),
        ({"class_name": "TensorFlowOpLayer", "config": {"name": "o"}}, "a TensorFlowOpLayer layer o"),
        *(
            ({"class_name": "TFOpLambda", "config": {"function": name}}, None)
            for name in (
                "math.multiply",
                "__operators__.add",
                "compat.v1.transpose",
                "compat.v1.nn.softmax",
                "reshape",
                "image.resize",
                "compat.v1.image.resize_bilinear",
                "nn.relu6",
                "linalg.matmul",
            )
        ),
        ({"class_name": "Popen", "module": "subprocess", "config": {}}, "the class subprocess.Popen"),
        (
            {"class_name": "function", "module": "tf_keras.src.utils.data_utils", "config": "get_file"},
            "the function tf_keras.src.utils.data_utils.get_file",
        ),
        ({"class_name": "function", "module": "builtins", "config": "relu"}, None),
        ({"class_name": "Dense", "module": "keras.layers", "config": {}}, None),
        ({"class_name": "Mine", "module": None, "config": {}}, None),
        ({"class_name": ["not", "text"]}, None),
    ],
)
def test_code_in_configuration(part: dict[str, Any], reason: str | None) -> None:
    assert inspection.code_in_config({"config": {"layers": [1, {"inner": part}]}}) == reason


def test_a_call_in_a_configuration_is_not_made(tmp_path: Path) -> None:
    """tf_keras calls a layer on the constants that its configuration holds while it loads it, in safe mode too."""
    import tensorflow as tf
    import tf_keras

    image, path, wanted = tf_keras.layers.Input((10, 14, 1)), tmp_path / "net.keras", tmp_path / "wanted"
    flat = tf_keras.layers.Flatten()(tf.math.multiply(image, 2.0))
    tf_keras.Model(image, tf_keras.layers.Dense(3)(flat)).save(path)
    assert custom.load(options(path), (10, 14, 1)).shape == (10, 14, 1)

    def evil(text: str) -> str:
        config = json.loads(text)
        (call,) = (layer for layer in config["config"]["layers"] if layer["class_name"] == "TFOpLambda")
        call["config"]["function"] = "compat.v1.write_file"
        call["inbound_nodes"] = [["_CONSTANT_VALUE", -1, str(wanted), {"contents": "x"}]]
        return json.dumps(config)

    rewrite(path, evil)
    with pytest.raises(ZooError, match=r"a call of compat\.v1\.write_file, .*trust=true"):
        custom.load(options(path), (10, 14, 1))
    assert not wanted.exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation")
def test_keras_3_file(tmp_path: Path) -> None:
    import keras

    image = keras.Input((8, 8, 3), name="photo")
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    outputs = keras.layers.Dense(5, activation="softmax", name="kind")(keras.layers.Flatten()(x))
    model = keras.Model(image, outputs)
    model.save(tmp_path / "three.keras")
    network = custom.load(options(tmp_path / "three.keras"), (8, 8, 3))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    found = predict(network, images, "tf")
    assert {name: value.shape for name, value in found.items()} == {"kind": (2, 5)}
    expected = model.predict_on_batch(images / np.float32(127.5) - np.float32(1))
    np.testing.assert_allclose(found["kind"], expected, rtol=1e-5, atol=1e-6)
    assert network.parameters == model.count_params()
    assert network.keras is None


def test_no_image_input(tmp_path: Path) -> None:
    import tf_keras

    layers = tf_keras.layers
    flat, pair, five = tmp_path / "flat.keras", tmp_path / "pair.keras", tmp_path / "five.keras"
    tf_keras.Sequential([layers.Input((7,)), layers.Dense(2)]).save(flat)
    first, second = layers.Input((8, 8, 3), name="a"), layers.Input((8, 8, 3), name="b")
    tf_keras.Model([first, second], layers.Add()([first, second])).save(pair)
    tf_keras.Sequential([layers.Input((8, 8, 5)), layers.Flatten()]).save(five)
    with pytest.raises(ZooError, match=r"has no image input: .* is needed, the model has \(None, 7\)"):
        custom.image_shape(options(flat), None)
    with pytest.raises(ZooError, match="one image input is needed, the model has 2"):
        custom.image_shape(options(pair), None)
    with pytest.raises(ZooError, match="has no image input"):
        custom.image_shape(options(five), None)


def test_free_size(tmp_path: Path) -> None:
    path = tmp_path / "free.keras"
    net((None, None, 3)).save(path)
    with pytest.raises(ZooError, match=r"any size: set model\.custom\.input_size"):
        custom.image_shape(options(path), None)
    assert custom.image_shape(options(path), 20) == (20, 20, 3)
    assert custom.image_shape(options(path, input_size=24), None) == (24, 24, 3)
    assert custom.load(options(path), (20, 20, 3)).shape == (20, 20, 3)


def test_fixed_size_and_channels(keras_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ZooError, match=r"takes images of 10×14×1 and not of 32×32×any"):
        custom.image_shape(options(keras_file, input_size=32), None)
    with pytest.raises(ZooError, match=r"takes images of 10×14×1 and not of any×any×3"):
        custom.image_shape(options(keras_file, channels=3), None)
    with pytest.raises(ZooError, match=r"takes images of 10×14×1 and not of 8×8×3"):
        custom.load(options(keras_file), (8, 8, 3))
    with pytest.raises(ZooError, match=r"there is no file or folder .*none\.keras"):
        custom.load(options(tmp_path / "none.keras"), (8, 8, 3))
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(ZooError, match=r"net\.onnx is not a \.keras file"):
        custom.load(options(tmp_path / "net.onnx"), (8, 8, 3))
