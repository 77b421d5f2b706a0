"""ImageNet from a small builder made here, from folders, or an explanation where to get it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.data import imagenet
from zoo.errors import ZooError


@pytest.fixture(scope="module")
def builder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a prepared ``imagenet_v2``: 12 images of 40×60, label = brightness."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    root = tmp_path_factory.mktemp("tfds")
    folder = root / "imagenet_v2" / "1.0.0"
    folder.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(None, None, 3)), "label": tfds.features.ClassLabel(num_classes=1000)}
    )
    with tf.io.TFRecordWriter(str(folder / "imagenet_v2-test.tfrecord-00000-of-00001")) as writer:
        for number in range(12):
            image = np.full((40, 60, 3), number * 20, np.uint8)
            writer.write(features.serialize_example({"image": image, "label": number * 20}))
    split = tfds.core.SplitInfo(
        name="test",
        shard_lengths=[12],
        num_bytes=1,
        filename_template=tfds.core.ShardedFileTemplate(
            data_dir=folder,
            template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            dataset_name="imagenet_v2",
            split="test",
            filetype_suffix="tfrecord",
        ),
    )
    tfds.folder_dataset.write_metadata(data_dir=str(folder), features=features, split_infos=[split])
    return root


TASK = {"dataset": "imagenet_v2", "calibration_images": 4}


@pytest.mark.parametrize("where", [".", "imagenet_v2", "imagenet_v2/1.0.0"])
def test_builder(builder_folder: Path, where: str) -> None:
    dataset = imagenet.load({**TASK, "path": str(builder_folder / where)}, (24, 24, 3), 0)
    evaluation, calibration = list(dataset.evaluation.samples), list(dataset.calibration.samples)
    assert (len(evaluation), len(calibration)) == (8, 4)
    labels = [label for _, label in evaluation + calibration]
    assert sorted(labels) == [number * 20 for number in range(12)]
    assert all(image.shape == (24, 24, 3) and (image == label).all() for image, label in evaluation)
    assert dataset.classes == 1000


def test_usual_data_folder_and_cap(builder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(builder_folder))
    assert imagenet.load({**TASK, "images": 3}, (24, 24, 3), 0).evaluation.count == 3
    with pytest.raises(ZooError, match=r"task\.split: .* has test, not 'train'"):
        imagenet.load({**TASK, "split": "train"}, (24, 24, 3), 0)


def test_no_data_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(ZooError, match=r"no data in .*download_and_prepare\(\).* put .*imagenet_v2 at ") as e:
        imagenet.load(TASK, (24, 24, 3), 0)
    assert "\n" not in str(e.value)
    with pytest.raises(ZooError, match=r"no data in .*nowhere"):
        imagenet.load({**TASK, "path": str(tmp_path / "nowhere")}, (24, 24, 3), 0)


def test_folders_named_by_class_number(image_folder: Callable[..., Path]) -> None:
    root = image_folder(count=5, classes=("10", "9"))
    dataset = imagenet.load({**TASK, "path": str(root)}, (8, 8, 3), 0)
    labels = [label for split in (dataset.evaluation, dataset.calibration) for _, label in split.samples]
    assert sorted(labels) == [9] * 5 + [10] * 5
    assert dataset.calibration.count == 4


def test_folders_that_are_not_imagenet(image_folder: Callable[..., Path]) -> None:
    root = image_folder(count=1, classes=("cat", "dog"))
    with pytest.raises(ZooError, match="has 2 class folders; ImageNet needs all 1,000"):
        imagenet.load({**TASK, "path": str(root)}, (8, 8, 3), 0)
