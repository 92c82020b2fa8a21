"""The mock pack: what stands in the repository, that it says so everywhere, and where it does not load."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.analyze import analyze_image
from pipeline.errors import ModelLoadError
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from training import mock

row = pytest.mark.row
PACK = PACKS_ROOT / "mock"


def room(**settings: object) -> ModelRoom:
    return ModelRoom([read_manifest(PACK / "manifest.toml", "mock")], ModelSettings(**settings))  # type: ignore[arg-type]


def picture() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((240, 240, 3), (200, 150, 130), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_the_pack_is_what_the_code_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["mock", "--to", str(tmp_path)])
    mock.main()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in PACK.iterdir()
    }


@row("S1.20", "S1.43")
def test_it_answers_always_the_same_and_says_what_it_is() -> None:
    answers = [analyze_image(picture(), room(environment="test", allow_mock=True)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["model_type"] == answers[0]["model_version"] == "mock"
    assert {"code": "MOCK_MODEL"} in answers[0]["warnings"]


@row("S1.20", "S1.52")
@pytest.mark.parametrize(
    "settings", [{"environment": "production", "allow_mock": True}, {"environment": "test"}, {"allow_mock": True}]
)
def test_it_is_refused_without_its_switch_and_always_in_production(settings: dict[str, object]) -> None:
    with pytest.raises(ModelLoadError):
        analyze_image(picture(), room(**settings))
