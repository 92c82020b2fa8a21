from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline import wording
from pipeline.contracts import RunState
from pipeline.imaging.marks import TONES
from pipeline.stage import Need, StageInput
from pipeline.stages.render_preview import RenderPreview
from tests.unit.pipeline.items import OFF, SKIPPED, canonical, ended, item, need, plain, run

STAGE = RenderPreview()


def given(
    size: tuple[int, int] = (800, 1000), *, on: str = "original", marks: Need = SKIPPED, regions: Need = SKIPPED
) -> StageInput:
    picture = plain(90, 120, 90, size)
    cutout = need(cutout=np.dstack([picture, np.zeros(size, np.uint8)])) if on == "cutout" else OFF
    box = {"x": size[1] * 0.2, "y": size[0] * 0.2, "width": size[1] * 0.5, "height": size[0] * 0.5}
    face = need({"box": box, "confidence": 0.9, "detected_on": on})
    return item(
        decode_image=canonical(picture),
        detect_face=face,
        remove_background=cutout,
        detect_landmarks=marks,
        crop_regions=regions,
    )


def drawn(one: StageInput) -> Any:
    answer = run(STAGE, [one])[0]
    assert answer.data == {} and set(answer.artifacts) == {"preview"}, "no regions, no sheet"
    assert not answer.artifacts["preview"].lossless
    return answer.artifacts["preview"].pixels


def test_the_face_s_box_is_drawn_where_it_is() -> None:
    preview = drawn(given())
    changed = (preview != (90, 120, 90)).any(axis=2)
    assert changed[400, 200] and changed[400, 700] and changed[160, 450] and changed[560, 450]
    assert not changed[400, 450]


def test_landmarks_and_regions_are_drawn_when_they_are_there() -> None:
    points = need({"points": {"nose": {"x": 450.0, "y": 400.0}}})
    box = {"x": 300, "y": 300, "width": 50, "height": 50}
    regions = need(
        {"regions": {"left_eye": {"visible": box, "inside": True}, "mouth": {"visible": box, "inside": False}}}
    )
    plain_one, dotted, boxed = drawn(given()), drawn(given(marks=points)), drawn(given(regions=regions))
    assert (dotted != plain_one).any(axis=2)[400, 450]
    assert (boxed != plain_one).any(axis=2)[325, 300]
    assert (dotted == plain_one).all(axis=2)[325, 300]


def test_a_system_with_fewer_stages_has_a_preview_too() -> None:
    full = given()
    few = item(decode_image=full.needs["decode_image"], detect_face=full.needs["detect_face"])
    assert np.array_equal(drawn(few), drawn(full))


def test_a_region_left_out_is_not_drawn() -> None:
    box = {"x": 300, "y": 300, "width": 50, "height": 50}
    regions = need({"regions": {"mouth": {"visible": box, "inside": False}}})
    assert np.array_equal(drawn(given(regions=regions)), drawn(given()))


def test_a_face_found_on_the_cutout_is_shown_on_it() -> None:
    assert (drawn(given(on="cutout"))[790, 990] == 255).all(), "all transparent, so white"
    assert (drawn(given())[790, 990] == (90, 120, 90)).all()


def test_a_large_picture_is_shown_smaller_with_its_marks_in_place() -> None:
    preview = drawn(given((2048, 1024)))
    assert preview.shape == (1280, 640, 3)
    assert (preview != (90, 120, 90)).any(axis=2)[640, 128]


SHEETED = RenderPreview(regions=("left_eye", "mouth"))
PLACED = {"x": 300, "y": 300, "width": 50, "height": 50}


def finding(label: str = "normal", confidence: float = 0.93) -> Need:
    return need({"label": label, "confidence": confidence, "needs_review": label == "uncertain"})


def whole(**more: Need) -> StageInput:
    """A scan with one answered region, and one beyond the edge."""
    one = given()
    regions = {
        "left_eye": {"box": PLACED, "visible": PLACED, "inside": True},
        "mouth": {"box": PLACED, "visible": PLACED, "inside": False},
    }
    face = {**one.needs["detect_face"].data, "crop": {"x": 200, "y": 160, "width": 500, "height": 500}}
    told = {"method": "grad-cam", "label": "normal", "quality": {"flat": False}}
    crop, heat = plain(200, 30, 30, (224, 224)), plain(30, 30, 200, (224, 224))
    needs = {
        **one.needs,
        "detect_face": need(face),
        "validate_subject": need({"subject": "cat", "probability": 0.98}),
        "detect_landmarks": need({"points": {"nose": {"x": 450.0, "y": 400.0}}, "confidence": 0.9}),
        "crop_regions": need({"regions": regions}, crop_left_eye=crop),
        "classify_left_eye": finding(),
        "classify_mouth": ended(RunState.ABSTAINED, "REGION_OUTSIDE_IMAGE"),
        "explain_findings": need({"heatmaps": {"left_eye": told}}, heatmap_left_eye=heat),
        **more,
    }
    return item(**needs)


def sheet(one: StageInput) -> Any:
    answer = run(SHEETED, [one])[0]
    assert answer.data == {} and set(answer.artifacts) == {"preview", "contact_sheet"}
    assert answer.artifacts["contact_sheet"].pixels.shape[1] == 1600
    return answer.artifacts["contact_sheet"].pixels


def shown(pixels: Any, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels.astype(int) - colour) <= 8).all(axis=2).sum())


@pytest.mark.parametrize(
    ("found", "tone"),
    [(finding(), "good"), (finding("abnormal"), "bad"), (finding("uncertain", 0.55), "unsure"), (SKIPPED, "plain")],
)
def test_a_region_has_its_finding_s_colour(found: Need, tone: str) -> None:
    pixels = run(SHEETED, [whole(classify_left_eye=found)])[0].artifacts["preview"].pixels
    counts = {name: shown(pixels, colour) for name, colour in TONES.items() if name != "face"}
    assert max(counts, key=lambda name: counts[name]) == tone


def test_the_sheet_shows_crop_and_heat_map_of_what_was_answered() -> None:
    pixels = sheet(whole())
    assert shown(pixels, (200, 30, 30)) > 20000 and shown(pixels, (30, 30, 200)) > 20000


def test_switched_off_heat_maps_leave_their_place_empty() -> None:
    pixels = sheet(whole(explain_findings=OFF))
    assert shown(pixels, (200, 30, 30)) > 20000 and shown(pixels, (30, 30, 200)) == 0


def test_without_landmarks_the_sheet_says_why_and_ends() -> None:
    refused = ended(RunState.ABSTAINED, "LANDMARK_DETECTION_FAILED", {"reason": "ears_level", "confidence": 0.7})
    one = whole(detect_landmarks=refused, crop_regions=SKIPPED, classify_left_eye=SKIPPED, explain_findings=SKIPPED)
    assert (
        wording.title(one.needs)
        == "cat 98%   ·   face 0.90, found on the original   ·   landmarks: LANDMARK_DETECTION_FAILED, ears_level"
    )
    assert sheet(one).shape[0] < sheet(whole()).shape[0] - 300


def test_a_pipeline_without_some_steps_has_a_sheet_too() -> None:
    few = {name: need for name, need in whole().needs.items() if name not in ("explain_findings", "remove_background")}
    assert np.array_equal(sheet(item(**few)), sheet(whole(explain_findings=OFF)))


def test_a_mock_s_sheet_says_so() -> None:
    mock = replace(finding(), provenance={"stage_version": 1, "models": {"m": {"mock": True}}})
    assert wording.title(whole(classify_left_eye=mock).needs).startswith("MOCK MODEL")
