"""TensorFlow without its chatter, so that what a command has to say is all that is on the terminal."""

from __future__ import annotations

import logging
import os
import sys


def load_tensorflow() -> None:
    """Import TensorFlow, for the CPU; what its libraries say of CPU features and GPUs goes nowhere."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)  # C++ writes there, past sys.stderr
        import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # deprecations of its own functions
