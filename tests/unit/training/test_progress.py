"""The file that says how far a run is: whole whenever it is read, and rewritten as long as the run lives."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from training import progress
from training.progress import Progress, replace


def read(file: Path) -> dict[str, object]:
    return dict(json.loads(file.read_text("utf-8")))


def test_a_state_is_there_at_once_and_the_rest_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BEAT_SECONDS", 0.05)
    told = Progress(tmp_path / "deep" / "progress.json", tmp_path)
    assert read(tmp_path / "deep" / "progress.json")["state"] == "drawing"
    told.tell("training", stage=1, stages=2)
    assert read(tmp_path / "deep" / "progress.json")["state"] == "training"
    told.tell("training", step=3, steps=9, loss=0.5)
    (tmp_path / "x.onnx").write_bytes(b"")
    (tmp_path / "y.checkpoint.partial").write_bytes(b"")
    ends = time.monotonic() + 30
    while read(tmp_path / "deep" / "progress.json")["step"] != 3 and time.monotonic() < ends:
        time.sleep(0.02)
    told.end()
    last = read(tmp_path / "deep" / "progress.json")
    assert (last["step"], last["steps"], last["loss"], last["stages"], last["files"]) == (3, 9, 0.5, 2, ["x.onnx"])
    assert set(last) == {
        *("state", "stage", "stages", "step", "steps", "loss", "pictures_per_s", "eta_s", "metrics", "files")
    }


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old", "utf-8")

    def half(partial: Path) -> None:
        partial.write_text("ne", "utf-8")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace(tmp_path / "x", half)
    assert (tmp_path / "x").read_text("utf-8") == "old"


def test_without_a_file_there_are_only_listeners(tmp_path: Path) -> None:
    Progress(out=tmp_path).tell("exporting")
    assert list(tmp_path.iterdir()) == []
