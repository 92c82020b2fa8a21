"""Recipes train on a user's folder; the whole way to a scored file is walked by the slow ones."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.training import own_folders
from training.budget import Budget, Stage
from training.place import Place

ROOT = Path(__file__).parents[3]
FOLDERS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "areas": (own_folders.areas, "cat_left_eye", "accuracy"),
    "validator": (lambda root: own_folders.classes(root, ("cat", "not_cat", "dog")), "cat_validator", "cats accepted"),
    "detector": (own_folders.boxes, "cat_face_detector", ""),
    "matte": (own_folders.masks, "background", "IoU, own pictures"),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras, as it saves
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "name", ["validator", "detector", *(pytest.param(name, marks=pytest.mark.slow) for name in ("areas", "matte"))]
)
def test_a_recipe_learns_from_a_user_s_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = importlib.import_module(f"training.recipes.{name}")
    monkeypatch.setattr(recipe, "STAGES", {"cpu": (Stage(size=64, steps=2, batch=10, rate=1e-3),)})
    (tmp_path / "out").mkdir()
    recipe.train(Place(FOLDERS[name][0](tmp_path / "data"), tmp_path / "out"), Budget(processes=1))
    note = json.loads((tmp_path / "out" / f"{name}.run.json").read_text("utf-8"))
    assert [stage["done"] for stage in note["stages"]] == [2]
    assert (tmp_path / "out" / f"{name}.weights.h5").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_user_s_folder_makes_a_scored_file(name: str, tmp_path: Path) -> None:
    make, model, metric = FOLDERS[name]
    folders = ["--data", str(make(tmp_path / "data")), "--out", str(tmp_path / "out")]
    words = [sys.executable, "-m", "training.run", name, *folders, "--scale", "0.0001"]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "out" / f"{model}.json").read_text("utf-8"))["metrics"]
    assert metric in {one["name"] for one in metrics} or not metric
    assert all(one["n"] > 0 and one["low"] <= one["value"] <= one["high"] for one in metrics)
