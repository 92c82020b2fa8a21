"""A model file on its way in: read once, told apart by name and first bytes, looked at without a runtime."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidField, ModelRefused, ScanmillError
from pipeline.imaging.decode import Decoder
from pipeline.models.lightgbm_check import check_lightgbm
from training.convert import keras_config
from training.convert.archives import Archive
from training.convert.confinement import Bounds
from training.convert.parent import ask
from training.convert.torchscript import check_torchscript
from training.convert.wire import Frame

MAX_BYTES: Final = 2**30
MAX_GOLDEN: Final = 32
_GOLDEN_SIDE: Final = 1024
FORMS: Final = {
    ".keras": "keras",
    ".h5": "h5",
    ".hdf5": "h5",
    ".pt": "torchscript",
    ".pth": "torchscript",
    ".onnx": "onnx",
    ".tflite": "tflite",
    ".txt": "lightgbm",
    ".lgb": "lightgbm",
}
_MAGIC: Final = {
    "keras": (0, b"PK\x03\x04"),
    "h5": (0, b"\x89HDF\r\n\x1a\n"),
    "tflite": (4, b"TFL3"),
    "lightgbm": (0, b"tree\n"),
}
_PICKLES: Final = (".pkl", ".pickle", ".joblib", ".dill", ".ckpt", ".pt2", ".npy", ".npz")


def read(path: Path) -> tuple[str, bytes]:
    """The file's form (a value of ``FORMS``) and its bytes. Raises ModelRefused, or OSError if it cannot be read."""
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise ModelRefused(f"{suffix} files are pickles or hold them: they run code when they are loaded")
    if suffix not in FORMS:
        raise ModelRefused(f"{suffix or 'a file without suffix'} is none of {', '.join(FORMS)}")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ModelRefused("it is no plain file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ModelRefused(f"it is larger than {MAX_BYTES / 2**20:,.0f} MiB")
    if not content:
        raise ModelRefused("it is empty")
    form = FORMS[suffix]
    at, magic = _MAGIC.get(form, (0, b""))
    if content[at : at + len(magic)] != magic:
        raise ModelRefused(f"it does not begin as a {suffix} file does")
    return form, content


def examined(form: str, content: bytes, bounds: Bounds) -> dict[str, bytes]:
    """The parts that a converter may read, after everything that can be told without a runtime. Raises ModelRefused."""
    if form == "keras":
        archive = Archive(content)
        if strange := sorted(set(archive.names) - {"config.json", "metadata.json", "model.weights.h5"}):
            raise ModelRefused(f"it holds {ascii(strange[0])[:80]}, which is neither config nor weights")
        config = keras_config.checked(archive.read("config.json", keras_config.MAX_TEXT))
        weights = archive.read("model.weights.h5", MAX_BYTES)
        ask("hdf5", Frame({}, {}, {"model": weights}), bounds)
        return {"config": config.encode(), "model": weights}
    if form == "h5":
        found = ask("hdf5", Frame({}, {}, {"model": content}), bounds)
        return {"config": keras_config.checked(found.files.get("config", b"")).encode(), "model": content}
    if form == "torchscript":
        check_torchscript(content)
    if form == "lightgbm":
        check_lightgbm(content)
    return {"model": content}


def golden_pictures(paths: Sequence[Path]) -> dict[str, NDArray[np.uint8]]:
    """The owner's pictures by file name, decoded as every picture is. Raises InvalidField."""
    if len(paths) > MAX_GOLDEN:
        raise InvalidField(f"golden: at most {MAX_GOLDEN} pictures are compared")
    decoder = Decoder()
    found: dict[str, NDArray[np.uint8]] = {}
    try:
        for path in paths:
            found[path.name] = decoder.decode(path.read_bytes(), longest_side=_GOLDEN_SIDE).pixels
    except (OSError, ScanmillError) as error:
        raise InvalidField(f"golden: {path.name}: {error or type(error).__name__}") from error
    finally:
        decoder.close()
    return found
