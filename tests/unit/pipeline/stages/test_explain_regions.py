"""Heat is told by region of skin; shares add up, and a map that says nothing is not divided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need, StageInput
from pipeline.stages.explain_regions import ExplainRegions
from tests.unit.pipeline.items import ended, item, need, run

STAGE = ExplainRegions(findings=("acne",))
FACE = {"x": 100, "y": 50, "width": 280, "height": 280}
"""Seven cells of 40 pixels a side."""


def finding(cam: Any, peak: float | None = None, method: str | None = "Grad-CAM") -> Need:
    largest = 0.0 if cam is None else float(np.abs(cam).max())
    told: dict[str, Any] = {
        "cam": None if cam is None else (cam / (largest or 1)).tolist(),
        "cam_peak": largest if peak is None else peak,
        "cam_method": method,
    }
    return need(told)


def cells(**hot: float) -> Any:
    """A map with these cells, named by row and column: r3c1=2.0."""
    cam = np.zeros((7, 7))
    for name, value in hot.items():
        cam[int(name[1]), int(name[3])] = value
    return cam


def box(left: int, top: int, width: int, height: int) -> dict[str, int]:
    return {"x": FACE["x"] + left, "y": FACE["y"] + top, "width": width, "height": height}


def given(found: Need, **regions: dict[str, int]) -> StageInput:
    told: dict[str, Any] = {"face": {"box": FACE, "visible": FACE, "inside": True}}
    pictures = {}
    for name, visible in regions.items():
        told[name] = {"box": visible, "visible": visible, "inside": True}
        pictures[f"crop_{name}"] = np.full((visible["height"], visible["width"], 4), (120, 110, 100, 255), np.uint8)
    told["chin"] = {"box": FACE, "visible": FACE, "inside": False, "code": "REGION_TURNED_AWAY"}
    return item(crop_regions=need({"regions": told}, **pictures), classify_acne=found)


def shares(stage_input: StageInput) -> dict[str, Any]:
    found: dict[str, Any] = run(STAGE, [stage_input])[0].data["findings"]["acne"]
    return found


def test_the_heat_of_a_cell_is_in_the_region_that_covers_it() -> None:
    told = shares(given(finding(cells(r1c1=3.0)), forehead=box(0, 0, 140, 140), nose=box(140, 140, 140, 140)))
    assert told["forehead"] == {"share": pytest.approx(1, abs=0.01), "area": pytest.approx(0.25)}
    assert told["nose"] == {"share": pytest.approx(0, abs=0.001), "area": pytest.approx(0.25)}
    assert told["elsewhere"] == {"share": pytest.approx(0, abs=0.01), "area": pytest.approx(0.5)}


def test_heat_beside_all_regions_is_elsewhere() -> None:
    told = shares(given(finding(cells(r6c6=1.0)), forehead=box(0, 0, 140, 100)))
    assert told["elsewhere"]["share"] == pytest.approx(1) and set(told) == {"forehead", "elsewhere"}


def test_a_region_s_share_does_not_depend_on_the_picture_s_size() -> None:
    """A crop larger than a tile is shrunk before anything is counted."""
    cam = np.random.default_rng(1).uniform(0, 1, (7, 7))
    small = shares(given(finding(cam), left_cheek=box(20, 120, 100, 60)))
    double = {key: 2 * value for key, value in box(20, 120, 100, 60).items()}
    big_face = {key: 2 * value for key, value in FACE.items()}
    large = given(finding(cam), left_cheek={**double, "width": 200, "height": 120})
    large.needs["crop_regions"].data["regions"]["face"]["box"] = big_face
    for key in ("share", "area"):
        assert shares(large)["left_cheek"][key] == pytest.approx(small["left_cheek"][key], rel=0.02)


def test_only_what_is_skin_counts() -> None:
    stage_input = given(finding(cells(r1c1=3.0)), forehead=box(0, 0, 140, 140))
    crop = np.array(stage_input.needs["crop_regions"].picture("crop_forehead"))
    crop[:, :, 3] = 0
    crop[:70, :, 3] = 255
    masked = item(
        crop_regions=need(dict(stage_input.needs["crop_regions"].data), crop_forehead=crop),
        classify_acne=stage_input.needs["classify_acne"],
    )
    told = shares(masked)["forehead"]
    assert told["area"] == pytest.approx(0.125) and 0.6 < told["share"] < 0.8, "the warm cell reaches below the cut"


def test_what_speaks_against_the_label_is_no_heat() -> None:
    cam = cells(r1c1=1.0) - cells(r5c5=3.0)
    told = shares(given(finding(cam), forehead=box(0, 0, 140, 140), nose=box(140, 140, 140, 140)))
    assert told["forehead"]["share"] == pytest.approx(1, abs=0.01) and told["nose"]["share"] == 0


@pytest.mark.parametrize(
    "found",
    [
        finding(np.ones((7, 7))),
        finding(cells(r1c1=1.0), peak=1e-9),
        finding(None),
        finding(None, method=None),
        ended(RunState.FAILED, "MODEL_UNAVAILABLE"),
    ],
    ids=["alike", "blank", "not finite", "no map", "failed"],
)
def test_where_there_is_no_map_nothing_is_told(found: Need) -> None:
    answer = run(STAGE, [given(found, forehead=box(0, 0, 140, 140))])[0]
    assert answer.data == {"findings": {}} and answer.artifacts == {}


def test_a_face_without_a_region_of_skin_has_no_sheet() -> None:
    answer = run(STAGE, [given(finding(cells(r1c1=1.0)))])[0]
    assert answer.data == {"findings": {}} and answer.artifacts == {}


def test_the_sheet_has_one_scale_and_leaves_the_cold_as_it_is() -> None:
    regions = {"forehead": box(0, 0, 140, 140), "nose": box(140, 140, 140, 140)}
    sheet = run(STAGE, [given(finding(cells(r1c1=3.0)), **regions)])[0].artifacts["heatmap_acne_regions"]
    assert not sheet.lossless
    pixels = sheet.pixels.astype(int)
    warm, cold = pixels[12:204, 12:204], pixels[12:204, 216:408]
    assert np.abs(cold - (120, 110, 100)).max() == 0
    assert np.abs(warm - (120, 110, 100)).sum(axis=2).max() > 100
