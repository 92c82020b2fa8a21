"""Fits, scores and exports our networks. Whatever Keras backend is there trains; only the export needs TensorFlow.

`KERAS_BACKEND` decides if it is set; else JAX where there is an NVIDIA card and a JAX, TensorFlow where it
is installed, JAX otherwise. It must be decided before Keras is first imported, so it is decided here.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final

GPU: Final = Path("/dev/nvidia0").exists()
"""Whether the machine has an NVIDIA card."""


def backend() -> str:
    """The backend that suits this machine."""
    has_jax = find_spec("jax") is not None
    return "jax" if has_jax and (GPU or find_spec("tensorflow") is None) else "tensorflow"


os.environ.setdefault("KERAS_BACKEND", backend())
