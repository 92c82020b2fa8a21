"""Four policies, and every fault of a network: always a code or the answer of the one that was to decide, never "normal"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.contracts import System
from pipeline.definition import Pipeline, version_of
from pipeline.run import RunRecord, run_in_memory
from pipeline.systems import PIPELINES
from pipeline.tuning import tuned
from tests.contracts.test_cataract import sure_eye, unsure_eye
from tests.contracts.test_skin_faults import Break, cut_off, missing, room, with_end
from tests.golden.cases import starter_room

UNASKED = {"outcome": "abstained", "code": "FINDING_UNDECIDED"}
SKIPPED = {"outcome": "skipped", "code": "UPSTREAM_NOT_OK"}


def installed(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Pipeline:
    for name, value in settings.items():
        monkeypatch.setenv(f"SCANMILL_CATARACT_{name.upper()}", value)
    [found] = tuned([PIPELINES[System.CATARACT]])
    return found


def nan(output: str) -> Break:
    """An output of the network is not a number."""
    return lambda content: with_end(content, "Mul", [np.array(np.nan, np.float32)], output=output)


def twice(output: str) -> Break:
    """Twice as many numbers as there should be."""
    return lambda content: with_end(content, "Concat", [], twice=True, output=output)


def report(runs: dict[str, RunRecord]) -> dict[str, Any]:
    found: dict[str, Any] = runs["build_report"].data["report"]
    return found


# ---------------------------------------------------------------------------------------------------------- policies
@pytest.mark.row("S3.4", "S3.40")
@pytest.mark.parametrize(
    ("settings", "path", "by"),
    [
        ({"policy": "fast"}, ["fast"], {"fast": 1}),
        ({"policy": "strong"}, ["fast", "strong"], {"strong": 1}),
        ({"policy": "ensemble", "fast_weight": "0.25"}, ["fast", "strong"], {"fast": 0.25, "strong": 0.75}),
        ({"low": "0.1", "high": "0.7"}, ["fast"], {"fast": 1}),
        ({"low": "0.1", "high": "0.95"}, ["fast", "strong"], {"strong": 1}),
    ],
)
def test_an_installation_s_policy_decides_and_is_part_of_the_version(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], path: list[str], by: dict[str, float]
) -> None:
    pipeline = installed(monkeypatch, **settings)
    told = report(run_in_memory(pipeline, unsure_eye(), starter_room()))["decision"]
    assert (told["path"], told["decided_by"], told["policy"]) == (path, by, settings.get("policy", "cascade"))
    chances = {name: answer.get("cataract", 0) for name, answer in told["answers"].items()}
    expected = sum(weight * chances[name] for name, weight in by.items())
    assert told["probabilities"]["cataract"] == pytest.approx(expected, abs=2e-6)
    digests = dict.fromkeys(pipeline.models, "d" * 64)
    plain = PIPELINES[System.CATARACT]
    assert version_of(pipeline.specification(digests)) != version_of(plain.specification(digests))


def test_a_band_whose_ends_are_crossed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="band"):
        installed(monkeypatch, low="0.99")


def test_a_threshold_makes_a_finding_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = run_in_memory(installed(monkeypatch, threshold="0.95"), unsure_eye(), starter_room())
    found = report(runs)["findings"]["cataract"]
    assert (found["label"], found["likeliest"], found["needs_review"]) == ("uncertain", "cataract", True)


# ------------------------------------------------------------------------------------------------------------ faults
@pytest.mark.parametrize(
    ("name", "fault", "code"),
    [
        ("eye_gate", missing, "MODEL_UNAVAILABLE"),
        ("eye_gate", nan("subject"), "MODEL_OUTPUT_INVALID"),
        ("eye_gate", cut_off, "MODEL_LOAD_ERROR"),
    ],
)
def test_without_a_gate_nothing_is_looked_at(tmp_path: Path, name: str, fault: Break, code: str) -> None:
    runs = run_in_memory(PIPELINES[System.CATARACT], sure_eye(), room(tmp_path, {name: fault}))
    told = report(runs)
    assert (runs["validate_subject"].ending.code, told["findings"]["cataract"]) == (code, SKIPPED)
    assert told["decision"] is None


@pytest.mark.parametrize("picture", [sure_eye(), unsure_eye()], ids=["sure", "unsure"])
@pytest.mark.parametrize(
    ("name", "fault", "stage", "code"),
    [
        ("eye_encoder", missing, "embed_image", "MODEL_UNAVAILABLE"),
        ("eye_encoder", cut_off, "embed_image", "MODEL_LOAD_ERROR"),
        ("eye_encoder", nan("embedding"), "embed_image", "MODEL_OUTPUT_INVALID"),
        ("eye_encoder", twice("embedding"), "embed_image", "MODEL_LOAD_ERROR"),
        ("cataract_fast", missing, "classify_fast", "MODEL_UNAVAILABLE"),
        ("cataract_fast", cut_off, "classify_fast", "MODEL_LOAD_ERROR"),
    ],
)
def test_without_the_fast_model_the_cascade_has_no_finding(
    tmp_path: Path, picture: bytes, name: str, fault: Break, stage: str, code: str
) -> None:
    runs = run_in_memory(PIPELINES[System.CATARACT], picture, room(tmp_path, {name: fault}))
    told = report(runs)
    assert (str(runs[stage].ending.state), runs[stage].ending.code) == ("failed", code)
    assert told["findings"]["cataract"] == UNASKED and told["decision"] is None
    assert "REGION_NOT_ANSWERED" in {warning["code"] for warning in told["warnings"]}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (missing, "MODEL_UNAVAILABLE"),
        (cut_off, "MODEL_LOAD_ERROR"),
        (nan("scanmill_logits"), "MODEL_OUTPUT_INVALID"),
        (twice("scanmill_logits"), "MODEL_OUTPUT_INVALID"),
    ],
)
def test_without_the_strong_model_an_unsure_eye_has_no_finding(tmp_path: Path, fault: Break, code: str) -> None:
    runs = run_in_memory(PIPELINES[System.CATARACT], unsure_eye(), room(tmp_path, {"cataract_strong": fault}))
    told = report(runs)
    assert runs["classify_strong"].ending.code == code
    assert told["findings"]["cataract"] == UNASKED
    assert told["stages"]["classify_cataract"]["detail"]["lacks"] == code


def test_a_map_that_is_not_finite_costs_the_map_and_not_the_finding(tmp_path: Path) -> None:
    broken = room(tmp_path, {"cataract_strong": nan("scanmill_cam")})
    told = report(run_in_memory(PIPELINES[System.CATARACT], unsure_eye(), broken))
    sound = report(run_in_memory(PIPELINES[System.CATARACT], unsure_eye(), starter_room()))
    assert told["findings"] == sound["findings"]
    assert told["heatmaps"]["strong"]["quality"]["finite"] is False
    assert sound["heatmaps"]["strong"]["quality"]["finite"] is True
