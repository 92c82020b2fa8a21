"""The skin recipes run end to end on a handful of made-up people: paint, train, export in all forms, score, note, pack."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.models.manifest import read_manifest
from tests.unit.training.made_people import write_people, write_scope
from training.pack import gather

ROOT = Path(__file__).parents[3]


def run(recipe: str, folder: Path) -> dict[str, object]:
    folders = ["--data", str(folder / "data"), "--out", str(folder / "out")]
    command = [sys.executable, "-m", "training.run", recipe, *folders, "--scale", "0.002", "--processes", "1"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=600)
    noted: dict[str, object] = json.loads((folder / "out" / f"{recipe}.json").read_text("utf-8"))
    return noted


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_tiny_runs_make_a_pack(tmp_path: Path) -> None:
    write_people(tmp_path / "data")
    write_scope(tmp_path / "data")
    for recipe, forms in (("skin_hair", ("onnx",)), ("skin_acne", ("onnx", "pt"))):
        note = run(recipe, tmp_path)
        assert note["metrics"] and note["temperature"]
        assert all((tmp_path / "out" / f"{recipe}.{form}").exists() for form in forms)
    gather(tmp_path / "out", tmp_path / "pack")
    entries = read_manifest(tmp_path / "pack" / "manifest.toml", "tiny")
    assert {name: entry.runtime for name, entry in entries.items()} == {
        "skin_hair": "onnx",
        "skin_hair_tflite": "tflite",
        "skin_hair_int8": "tflite",
        "skin_acne": "onnx",
    }
    assert "Learned from paint" in (tmp_path / "pack" / "cards" / "skin_hair_int8.md").read_text("utf-8")
