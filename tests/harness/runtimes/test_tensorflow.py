"""TensorFlow on the SavedModel: the baseline of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StageFailed, Unsupported
from harness.runtimes import tensorflow
from harness.runtimes.tensorflow import Options


@pytest.fixture
def _any_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow already runs in the tests' process, with threads of its own."""
    monkeypatch.setattr(tensorflow, "set_threads", lambda threads: None)


@pytest.mark.usefixtures("_any_threads")
def test_outputs_are_those_of_the_function(artifacts: Any) -> None:
    session = tensorflow.open_session(artifacts["saved_model"], Options(), 1)
    assert [(one.name, one.shape, one.dtype) for one in session.inputs] == [("image", (1, 16, 16, 3), "float32")]
    assert {one.name: one.shape for one in session.outputs} == {"scores": (1, 7), "logits": (1, 7)}
    for position in range(3):
        found = session.run(artifacts.images[position : position + 1])
        for name, value in found.items():
            np.testing.assert_allclose(value[0], artifacts.reference[name][position], atol=1e-6)
    session.invoke()
    assert session.coverage() == {}


@pytest.mark.usefixtures("_any_threads")
def test_the_signature_s_batch_is_fixed(artifacts: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        tensorflow.open_session(artifacts["saved_model"], Options(batch=2), 1)
    assert caught.value.reason == "fixed_batch"


@pytest.mark.usefixtures("_any_threads")
def test_a_saved_model_without_signature(tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(Unsupported) as caught:
        tensorflow.open_session(tmp_path / "bare", Options(), 1)
    assert caught.value.reason == "no_signature"


def test_threads_cannot_change_once_tensorflow_runs(artifacts: Any) -> None:
    with pytest.raises(StageFailed) as caught:
        tensorflow.open_session(artifacts["saved_model"], Options(), 77)
    assert caught.value.reason == "threads_fixed"


def test_a_fresh_process_takes_the_threads(artifacts: Any) -> None:
    code = """if True:
        import sys, pathlib, numpy as np
        from harness.runtimes import tensorflow as runtime
        session = runtime.open_session(pathlib.Path(sys.argv[1]), runtime.Options(), 1)
        session.run(np.zeros((1, 16, 16, 3), np.float32))
        from tensorflow.config import threading
        print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
    """
    root = str(Path(tensorflow.__file__).parents[2])
    command = [sys.executable, "-c", code, str(artifacts["saved_model"])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root})
    assert done.stdout.split() == ["1", "1"]
