"""The cat seed's variables: read under its names, typed, checked at the start, and meaning what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from api.settings import ApiSettings
from cli.output import settings_message
from cli.packs import PackSettings
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.sessions import cuda_options
from pipeline.models.settings import ModelSettings
from pipeline.models.subject import SubjectModel
from pipeline.setting_names import SEED_NAMES
from pipeline.settings import PipelineSettings
from pipeline.systems.cat_face import CAT_FACE
from pipeline.tuning import CatFaceSettings, tuned
from storage.settings import StorageSettings
from tasks.settings import TaskSettings
from workers.settings import WorkerSettings
from workers.supervisor import NoGpu, chosen, plan, visible_gpus

row = pytest.mark.row
STARTER = Path(__file__).resolve().parents[2] / "models" / "starter" / "manifest.toml"
SAMPLE = {
    "FLASK_ENV": "production", "FLASK_DEBUG": "False", "PORT": "5000",
    "STORAGE_SERVICE_URL": "https://storage.example", "STORAGE_API_KEY": "key",
    "MODEL_DIR": str(STARTER.parents[1]), "CACHE_DIR": "/app/cache", "USE_GPU": "true", "GPU_MEMORY_FRACTION": "0.8",
    "BATCH_SIZE": "16", "NUM_WORKERS": "4", "CAT_CONFIDENCE_THRESHOLD": "0.7", "FACE_CONFIDENCE_THRESHOLD": "0.5",
    "CLASSIFICATION_THRESHOLD": "0.6", "ENABLE_BACKGROUND_REMOVAL": "true", "ENABLE_GRADCAM": "true",
    "CACHE_PREDICTIONS": "true",
}  # fmt: skip
OURS = {"SCANMILL_STORAGE_URL": "s3://scans", "SCANMILL_REDIS_URL": "redis://127.0.0.1", "SCANMILL_S3_ACCESS_KEY": "id"}


@pytest.fixture(autouse=True)
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SAMPLE | OURS).items():
        monkeypatch.setenv(name, value)


@row("S0.43", "S0.44", "S0.45")
def test_flask_s_variables() -> None:
    assert TaskSettings().env == PipelineSettings().environment == ModelSettings().environment == "production"
    assert (ApiSettings().debug, ApiSettings().port) == (False, 5000)


@row("S0.46", "S0.47")
def test_storage() -> None:
    settings = StorageSettings()
    assert settings.s3_endpoint == "https://storage.example"
    assert settings.s3_secret_key is not None and settings.s3_secret_key.get_secret_value() == "key"
    assert "'key'" not in repr(settings)


@row("S0.48", "S0.49")
def test_folders() -> None:
    assert ModelSettings().root == PackSettings().root == STARTER.parents[1]
    assert ModelSettings().cache == Path("/app/cache")


@row("S0.50", "S0.53")
def test_gpu_and_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WorkerSettings().slots == 4
    if visible_gpus():
        assert chosen(WorkerSettings()).gpus == sorted(visible_gpus())
    else:
        with pytest.raises(NoGpu, match="USE_GPU"):
            chosen(WorkerSettings())
    monkeypatch.setenv("USE_GPU", "false")
    slots = plan(chosen(WorkerSettings()))
    assert len(slots) == 4 and all(slot.kinds == ("cpu", "gpu") and slot.gpu is None for slot in slots)
    with pytest.raises(ValidationError, match="USE_GPU is false"):
        WorkerSettings(gpus=[0])


@row("S0.51")
def test_gpu_memory() -> None:
    settings = ModelSettings(gpu_memory_mb=81_920)
    assert settings.gpu_bytes_of(5) == int(81_920 * 2**20 * 0.8 / 5)
    assert cuda_options(settings.gpu_bytes_of(5))["gpu_mem_limit"] == str(13_743_895_347)
    assert ModelSettings().gpu_bytes_of(5) is None and "gpu_mem_limit" not in cuda_options(None)
    with pytest.raises(ValidationError, match="a share of what"):
        ModelSettings(device="cuda")


@row("S0.52")
def test_batch_size() -> None:
    assert TaskSettings().batch_size == 16


@row("S0.54", "S0.55", "S0.56", "S0.57", "S0.58", "S0.59")
def test_thresholds_and_switches_of_the_sample_are_the_usual_ones() -> None:
    [pipeline] = tuned([CAT_FACE])
    thresholds = {
        stage.kind: stage.parameters["threshold"] for stage in pipeline.stages if "threshold" in stage.parameters
    }
    assert thresholds == {"validate_subject": 0.7, "detect_face": 0.5, "classify_region": 0.6, "detect_landmarks": 0.8}
    assert pipeline.options == CAT_FACE.options and all(stage.reuse_for_s is None for stage in pipeline.stages)


@row("S0.10", "S0.60", "S0.61", "S0.62", "S0.63")
def test_names_sizes_and_thresholds_of_networks_come_from_the_manifest() -> None:
    entries = read_manifest(STARTER, "starter")
    named = {stage.kind: entries[name] for stage in CAT_FACE.stages for name in stage.models}
    assert tuple(named["validate_subject"].input.size) == (224, 224)
    assert named["validate_subject"].thresholds["subject"] == 0.7
    assert named["detect_face"].runtime == "onnx"
    assert (named["detect_face"].thresholds["score"], named["detect_face"].thresholds["iou"]) == (0.5, 0.45)
    assert tuple(named["detect_landmarks"].input.size) == (96, 96)
    assert tuple(named["classify_region"].input.size) == (224, 224)
    assert isinstance(ModelRoom.open(ModelSettings(packs="starter", cache=None)).load("cat_validator"), SubjectModel)


@pytest.mark.parametrize("ours", sorted(SEED_NAMES))
def test_ours_wins_over_the_seeds(ours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(SEED_NAMES.values()) == set(SAMPLE)
    assert ours.startswith("SCANMILL_") and ours not in SAMPLE
    monkeypatch.setenv("SCANMILL_API_PORT", "7000")
    assert ApiSettings().port == 7000


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (TaskSettings, "FLASK_ENV", "staging"), (ApiSettings, "FLASK_DEBUG", "perhaps"), (ApiSettings, "PORT", "99999"),
        (WorkerSettings, "USE_GPU", "2"), (ModelSettings, "GPU_MEMORY_FRACTION", "1.5"),
        (ModelSettings, "GPU_MEMORY_FRACTION", "0"), (TaskSettings, "BATCH_SIZE", "0"), (TaskSettings, "BATCH_SIZE", "x"),
        (WorkerSettings, "NUM_WORKERS", "-1"), (CatFaceSettings, "CAT_CONFIDENCE_THRESHOLD", "70"),
        (CatFaceSettings, "FACE_CONFIDENCE_THRESHOLD", "-1"), (CatFaceSettings, "CLASSIFICATION_THRESHOLD", "x"),
        (CatFaceSettings, "ENABLE_BACKGROUND_REMOVAL", "x"), (CatFaceSettings, "CACHE_PREDICTIONS", "x"),
    ],
)  # fmt: skip
def test_a_wrong_value_stops_the_start_and_names_the_variable(
    cls: type[TaskSettings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        cls()
    assert f"(or {name})" in settings_message(refused.value)


def test_the_command_says_so_and_ends(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "cli", "control"],
        env={**os.environ, "SCANMILL_DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "CLASSIFICATION_THRESHOLD": "60"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "SCANMILL_CLASSIFICATION_THRESHOLD (or CLASSIFICATION_THRESHOLD)" in ended.stderr
