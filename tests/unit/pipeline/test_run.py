"""The whole cat pipeline in memory on tiny networks: needs, skips, switches, neighbours, and equal bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pipeline.contracts import RunState, System
from pipeline.definition import Pipeline
from pipeline.errors import LandmarkDetectionFailed, ModelUnavailable, StorageUnavailable
from pipeline.imaging.codec import decode_own, encode_jpeg, encode_png
from pipeline.models.room import ModelRoom
from pipeline.run import RunRecord, run_batch, run_in_memory
from pipeline.stage import Picture, Stage, StageOutput
from pipeline.stages.detect_landmarks import DetectLandmarks
from pipeline.systems import PIPELINES
from tests.unit.pipeline import tiny_models as tiny
from tests.unit.pipeline.items import plain

REAL = PIPELINES[System.CAT_FACE]
# It asks for more confidence than the tiny network has where its crop is not all blue.
CAT_FACE = replace(
    REAL, stages=tuple(replace(one, threshold=None) if isinstance(one, DetectLandmarks) else one for one in REAL.stages)
)
REGIONS = {"left_eye", "right_eye", "left_ear", "right_ear", "mouth"}


def cat(x: int = 96, y: int = 96) -> bytes:
    """A red picture with a bluish face of 64 pixels at (x, y)."""
    picture = plain(200, 0, 0)
    picture[max(y, 0) : y + 64, max(x, 0) : x + 64] = (0, 60, 250)
    return encode_png(picture)


def outcomes(records: dict[str, RunRecord]) -> dict[str, str]:
    return {name: record.ending.code or str(record.ending.state) for name, record in records.items()}


def report(records: dict[str, RunRecord]) -> dict[str, Any]:
    return dict(records["build_report"].data["report"])


def test_a_cat_gets_all_findings_and_pictures(tiny_room: ModelRoom) -> None:
    records = run_in_memory(CAT_FACE, cat(), tiny_room)
    assert set(outcomes(records).values()) == {"ok"}
    told = report(records)
    assert set(told["findings"]) == REGIONS
    assert told["artifacts"] == sorted(
        [
            "original",
            "canonical",
            "cutout",
            "face",
            "preview",
            "contact_sheet",
            *(f"crop_{r}" for r in REGIONS),
            *(f"heatmap_{r}" for r in REGIONS),
        ]
    )
    for record in records.values():
        for artifact in record.artifacts.values():
            assert decode_own(artifact.content).size > 0
    digests = tiny_room.digests()
    for stage in CAT_FACE.stages:
        if stage.models and stage.name != "build_report":
            told_models = told["stages"][stage.name]["models"]
            assert {name: model["digest"] for name, model in told_models.items()} == {
                n: digests[n] for n in stage.models
            }
            assert told["stages"][stage.name]["version"] == stage.version


def test_what_is_no_cat_ends_there_and_has_a_report(tiny_room: ModelRoom) -> None:
    records = run_in_memory(CAT_FACE, encode_png(plain(0, 200, 0)), tiny_room)
    assert records["validate_subject"].ending.state is RunState.REJECTED
    rest = {name: code for name, code in outcomes(records).items() if name not in ("fetch_input", "decode_image")}
    assert rest.pop("validate_subject") == "NOT_A_CAT" and rest.pop("build_report") == "ok"
    assert set(rest.values()) == {"UPSTREAM_NOT_OK"}
    assert report(records)["subject"]["probability"] < 0.5


def test_a_face_at_the_corner_leaves_regions_out_and_invents_none(tiny_room: ModelRoom) -> None:
    records = run_in_memory(CAT_FACE, cat(-16, -16), tiny_room)
    found = report(records)["findings"]
    outside = {region for region, told in found.items() if told.get("code") == "REGION_OUTSIDE_IMAGE"}
    assert "left_ear" in outside and "mouth" not in outside
    assert not any(f"crop_{region}" in report(records)["artifacts"] for region in outside)
    assert records["explain_findings"].ending.state is RunState.OK


@pytest.mark.parametrize("options", [{"remove_bg": False}, {"generate_gradcam": False}])
def test_a_switch_turns_a_stage_off_and_the_rest_goes_on(tiny_room: ModelRoom, options: dict[str, bool]) -> None:
    off = {"remove_bg": "remove_background", "generate_gradcam": "explain_findings"}[next(iter(options))]
    codes = outcomes(run_in_memory(CAT_FACE, cat(), tiny_room, options))
    assert codes.pop(off) == "SWITCHED_OFF" and set(codes.values()) == {"ok"}


def test_unknown_options_are_refused(tiny_room: ModelRoom) -> None:
    with pytest.raises(ValueError, match="remove_background"):
        run_in_memory(CAT_FACE, cat(), tiny_room, {"remove_background": False})


def test_a_picture_gets_the_same_alone_and_among_others(tiny_room: ModelRoom) -> None:
    contents = [
        cat(),
        b"no picture",
        cat(32, 160),
        encode_png(plain(0, 200, 0)),
        encode_jpeg(plain(210, 0, 0)),
        cat(-16, 0),
    ]
    together = run_batch(CAT_FACE, contents, tiny_room)
    assert [outcomes(records)["fetch_input"] for records in together].count("UNSUPPORTED_FORMAT") == 1
    assert outcomes(together[4])["detect_face"] == "NO_FACE_DETECTED"
    for records, content in zip(together, contents, strict=True):
        alone = run_in_memory(CAT_FACE, content, tiny_room)
        assert json.dumps(report(records)) == json.dumps(report(alone))
        assert records == alone, "every stage's numbers and every file, byte for byte"
    turned = run_batch(CAT_FACE, contents[::-1], tiny_room)
    assert turned[::-1] == together


def test_a_missing_model_fails_its_stage_only(tmp_path: Path) -> None:
    manifest = tiny.cat_pack(tmp_path / "tiny")
    text = manifest.read_text()
    manifest.write_text(text[: text.index('name = "cat_mouth"')].rpartition("[[model]]")[0])
    from pipeline.models.manifest import read_manifest

    records = run_in_memory(CAT_FACE, cat(), ModelRoom([read_manifest(manifest, "tiny")]))
    codes = outcomes(records)
    assert codes["classify_mouth"] == "MODEL_UNAVAILABLE" and records["classify_mouth"].ending.state is RunState.FAILED
    assert codes["classify_left_eye"] == codes["build_report"] == "ok"
    assert report(records)["findings"]["mouth"] == {"outcome": "failed", "code": "MODEL_UNAVAILABLE"}


# --- the runner itself, on stages made for it -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Give(Stage):
    kind: ClassVar = "give"

    def run(self, items: Any, models: Any) -> Any:
        return [self.one(item.source()) for item in items]

    def one(self, content: bytes) -> Any:
        if content == b"verdict":
            return LandmarkDetectionFailed("why", {"reason": "r"})
        if content == b"away":
            return StorageUnavailable("5 s")
        return StageOutput({"n": 1 / 3}, {"p": Picture(np.full((4, 4, 3), 7, np.uint8))})


@dataclass(frozen=True, kw_only=True)
class Fussy(Stage):
    """Raises for the whole micro-batch when one item is bad."""

    kind: ClassVar = "fussy"

    def run(self, items: Any, models: Any) -> Any:
        if any(item.source() == b"fuss" for item in items):
            raise ModelUnavailable("fuss")
        return [StageOutput({"seen": item.needs["give"].picture("p").tolist()}) for item in items]


@dataclass(frozen=True, kw_only=True)
class Tell(Stage):
    kind: ClassVar = "tell"

    def run(self, items: Any, models: Any) -> Any:
        return [StageOutput({name: [need.code, dict(need.data)] for name, need in i.needs.items()}) for i in items]


THREE = Pipeline(System.CAT_FACE, (Give(), Fussy(needs=("give",)), Tell(optional=("give", "fussy"))))


def test_numbers_pass_through_json_and_pictures_through_their_files(tiny_room: ModelRoom) -> None:
    records = run_in_memory(THREE, b"x", tiny_room)
    assert records["give"].artifacts["p"].media_type == "image/png"
    assert records["fussy"].data["seen"] == np.full((4, 4, 3), 7).tolist()
    assert records["tell"].data["give"] == [None, {"n": 1 / 3}]


def test_a_verdict_keeps_its_numbers_and_a_failure_only_its_code(tiny_room: ModelRoom) -> None:
    verdict, away = run_batch(THREE, [b"verdict", b"away"], tiny_room)
    assert verdict["give"].data == {"reason": "r"} and verdict["give"].provenance["stage_version"] == 1
    assert away["give"] == RunRecord(away["give"].ending) and away["give"].ending.state is RunState.FAILED
    assert verdict["tell"].data["give"] == ["LANDMARK_DETECTION_FAILED", {"reason": "r"}]
    assert verdict["fussy"].ending.state is RunState.SKIPPED


def test_a_stage_that_gives_up_on_a_batch_is_asked_one_by_one(tiny_room: ModelRoom) -> None:
    codes = [outcomes(records)["fussy"] for records in run_batch(THREE, [b"a", b"fuss", b"b"], tiny_room)]
    assert codes == ["ok", "MODEL_UNAVAILABLE", "ok"]


def test_bugs_are_not_swallowed(tiny_room: ModelRoom) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Buggy(Stage):
        kind: ClassVar = "buggy"

        def run(self, items: Any, models: Any) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_in_memory(Pipeline(System.CAT_FACE, (Buggy(),)), b"x", tiny_room)
