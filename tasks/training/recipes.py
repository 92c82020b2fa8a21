"""Which recipes this host can train, asked in a process of its own: TensorFlow stays out of whoever asks."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tasks.training.process import environment

NEEDED = ("training", "keras", "cv2")
BACKENDS = ("tensorflow", "jax")
PATIENCE_S = 180.0


class NoTraining(RuntimeError):
    """This host cannot train; the message says what it lacks."""


def require_training() -> None:
    """Raise NoTraining unless what trains is installed here. Imports none of it."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not any(find_spec(name) for name in BACKENDS):
        missing.append(" or ".join(BACKENDS))
    if missing:
        raise NoTraining(
            f"this worker cannot train, it lacks {', '.join(missing)}: install requirements/training.in, "
            "or use the image that is built with TRAINING=yes"
        )


def known() -> dict[str, str]:
    """Name → sentence of every recipe here. Raises NoTraining when what trains does not start."""
    try:
        told = subprocess.run(
            [sys.executable, "-P", "-m", "tasks.training.recipes"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
            env=environment(),
        )
    except subprocess.CalledProcessError as error:
        raise NoTraining(f"what trains does not start here: {error.stderr[-500:]}") from error
    except subprocess.TimeoutExpired as error:
        raise NoTraining(f"what trains did not start within {PATIENCE_S:g} s") from error
    return dict(json.loads(told.stdout.splitlines()[-1]))


def sentence(recipe: str) -> str:
    """The first line of a recipe's module, without running it."""
    spec = find_spec(f"training.recipes.{recipe}")
    if spec is None or spec.origin is None:
        return recipe
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or recipe
    return text.splitlines()[0]


if __name__ == "__main__":
    names = importlib.import_module("training.run").RECIPES
    sys.stdout.write("\n" + json.dumps({name: sentence(name) for name in names}) + "\n")
