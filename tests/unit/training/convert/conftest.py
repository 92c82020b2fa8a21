"""Real networks, made once by a process that has Keras or PyTorch; this one loads neither."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.convert import Description

SCRIPT = Path(__file__).with_name("make_nets.py")
LABELS = ("red", "green", "blue")


def made(kind: str, folder: Path) -> Path:
    subprocess.run([sys.executable, str(SCRIPT), kind, str(folder)], capture_output=True, check=True, timeout=240)
    return folder


@pytest.fixture(scope="session")
def keras_nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("keras", tmp_path_factory.mktemp("keras"))


@pytest.fixture(scope="session")
def torch_nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: it is no part of the lock (requirements/install.sh says when it comes)")
    return made("torch", tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures with a file around them."""
    from skimage import data, io

    folder = tmp_path_factory.mktemp("golden")
    for name in ("chelsea", "coffee"):
        io.imsave(folder / f"{name}.png", getattr(data, name)(), check_contrast=False)
    return sorted(folder.iterdir())


def description(**more: Any) -> Description:
    """Of a network over 0..255 with three classes."""
    said: dict[str, Any] = {
        "name": "colours", "version": "1.0", "task": "classifier", "licence": "Apache-2.0", "source": "tests",
        "labels": LABELS,
    }  # fmt: skip
    return Description(**{**said, **more})


def expected(folder: Path) -> dict[str, Any]:
    with np.load(folder / "expected.npz") as kept:
        return {name: kept[name] for name in kept.files}
