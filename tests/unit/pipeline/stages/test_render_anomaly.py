"""The four pictures show what was found, where it was found, and the scale that it is shown on."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from pipeline.imaging.marks import TONES
from pipeline.stage import File, Need, StageOutput
from pipeline.stages.render_anomaly import RenderAnomaly
from tests.unit.pipeline.items import SKIPPED, answered, canonical, item, need, run

BOX = {"x": 160.0, "y": 60.0, "width": 80.0, "height": 60.0, "confidence": 0.97, "type": "Critical"}
TANK = (200, 40, 90)


def drawn(*, odd: bool = True, size: tuple[int, int] = (240, 320), warm: Need | None = None) -> dict[str, Any]:
    height, width = size
    picture = np.full((height, width, 3), TANK, np.uint8)
    heat, mask = np.full((224, 224), 10, np.uint8), np.zeros((224, 224), np.uint8)
    if odd:
        heat[56:112, 112:168] = 255
        mask[56:112, 112:168] = 255
    found = need({"boxes": [BOX] if odd else [], "map": {"shown_to": 3.0}}, anomaly_map=heat, anomaly_mask=mask)
    needs = {"decode_image": canonical(picture), "detect_anomalies": found}
    [output] = run(RenderAnomaly(), [item(**needs, **({} if warm is None else {"measure_temperatures": warm}))])
    assert output.artifacts.keys() == {"mask", "overlay", "filtered", "bounded"}
    return {name: part.pixels for name, part in output.artifacts.items()}


@pytest.mark.row("S4.12")
def test_the_mask_has_the_picture_s_size_and_two_values() -> None:
    mask = drawn()["mask"]
    assert mask.shape == (240, 320) and set(np.unique(mask)) == {0, 255}
    assert mask[70:110, 170:230].min() == 255 and mask[:50].max() == mask[130:].max() == 0


@pytest.mark.row("S4.12")
def test_filtered_keeps_colours_inside_and_no_colour_outside() -> None:
    shown = drawn()["filtered"]
    assert (shown[90, 200] == TANK).all()
    outside = shown[200, 40]
    assert outside.max() == outside.min() < 60


@pytest.mark.row("S4.12")
def test_the_overlay_is_hot_where_it_is_odd_and_as_it_was_in_grey_elsewhere() -> None:
    shown = drawn()["overlay"]
    picture = shown[:, :640].astype(int)
    hot, cold = picture[180, 400], picture[420, 60]
    assert hot.sum() > 500 and np.ptp(hot) > 30
    assert np.ptp(cold) <= 2


def test_the_colour_bar_stands_beside_the_picture_and_runs_from_dark_to_bright() -> None:
    shown = drawn()["overlay"]
    assert shown.shape[0] == 480 and 640 + 100 < shown.shape[1] < 640 + 220
    column = shown[:, 640 + 30].astype(int).sum(axis=1)
    bar = column[60:440]
    assert (np.diff(bar) <= 6).mean() > 0.97 and bar[0] > 500 and bar[-1] < 100
    text = shown[:, 640 + 60 :].astype(int).sum(axis=2) < 300
    assert text.sum() > 150, "numbers"


def test_equal_distances_have_equal_colours_whatever_else_is_in_the_picture() -> None:
    assert (drawn()["overlay"][:, 640:] == drawn(odd=False)["overlay"][:, 640:]).all()
    assert (drawn()["overlay"][420, 60] == drawn(odd=False)["overlay"][420, 60]).all()


@pytest.mark.row("S4.12")
def test_boxes_are_drawn_where_they_are() -> None:
    shown = drawn()["bounded"]
    blue = (shown == TONES["plain"]).all(axis=2)
    rows, columns = np.flatnonzero(blue.any(axis=1)), np.flatnonzero(blue.any(axis=0))
    assert columns[0] == pytest.approx(320, abs=4) and columns[-1] == pytest.approx(480, abs=4)
    assert rows[-1] == pytest.approx(240, abs=4)
    assert not (drawn(odd=False)["bounded"] == TONES["plain"]).all(axis=2).any()


def test_a_large_picture_is_not_enlarged() -> None:
    assert drawn(size=(900, 1200))["overlay"].shape[0] == 900
    assert drawn(size=(900, 1200))["bounded"].shape == (900, 1200, 3)


def warmth(plane: Any, *, odd: bool = False) -> Need:
    file = io.BytesIO()
    np.save(file, np.asarray(plane, np.float32))
    files = {"celsius": File(file.getvalue(), "application/octet-stream")}
    boxes = [{"max": 61.24, "mean": 40.0}] if odd else []
    return answered(StageOutput({"code": None, "aligned": True, "boxes": boxes}, files))


SCENE = np.tile(np.linspace(10, 50, 80), (60, 1))


def test_with_temperatures_the_greys_are_those_and_have_a_bar_of_their_own() -> None:
    plain, shown = drawn(odd=False)["overlay"], drawn(odd=False, warm=warmth(SCENE))["overlay"]
    assert shown.shape[1] - plain.shape[1] == plain.shape[1] - 640, "two bars"
    row = shown[100, :640].astype(int)
    assert (np.ptp(row, axis=1) <= 3).all() and row[5].max() < 15 and row[-40].min() > 225
    assert (np.diff(row[:, 0]) >= -3).all()
    bar = shown[60:440, plain.shape[1] + 30].astype(int)
    assert (bar.max(axis=1) - bar.min(axis=1)).max() <= 3 and bar[0].min() > 240 and bar[-1].max() < 15
    text = shown[:, plain.shape[1] + 60 :].astype(int).sum(axis=2) < 300
    assert text.sum() > 150, "numbers"


def test_the_hottest_place_is_marked_and_boxes_tell_their_degrees() -> None:
    here, there = np.full((2, 60, 80), 20.0)
    here[45, 20], there[10, 60] = 90, 90
    one, other = (drawn(odd=False, warm=warmth(each))["overlay"][:, :640].astype(int) for each in (here, there))
    changed = np.abs(one - other).sum(axis=2) > 200
    assert changed[345:385, 145:300].any() and changed[65:105, 465:620].any()
    assert not changed[120:330].any() and not changed[400:].any()
    boxes = drawn()["bounded"], drawn(warm=warmth(SCENE, odd=True))["bounded"]
    assert (boxes[0] != boxes[1]).any(axis=2)[:150].any()


def test_without_temperatures_all_is_as_it_was() -> None:
    for warm in (SKIPPED, need({"code": "NOT_RADIOMETRIC"}), need({"code": None, "aligned": False, "boxes": None})):
        assert all((drawn(warm=warm)[name] == picture).all() for name, picture in drawn().items())


@pytest.mark.parametrize("scene", [SCENE * 0 + 20, np.where(SCENE > 30, np.nan, SCENE), SCENE * 20, SCENE / 40 - 3])
def test_a_plane_of_any_kind_can_be_drawn(scene: Any) -> None:
    assert drawn(warm=warmth(scene, odd=True))["overlay"].shape[0] == 480
