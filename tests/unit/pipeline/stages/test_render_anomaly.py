"""The four pictures show what was found, where it was found, and the scale that it is shown on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.imaging.marks import TONES
from pipeline.stages.render_anomaly import RenderAnomaly
from tests.unit.pipeline.items import canonical, item, need, run

BOX = {"x": 160.0, "y": 60.0, "width": 80.0, "height": 60.0, "confidence": 0.97, "type": "Critical"}
TANK = (200, 40, 90)


def drawn(*, odd: bool = True, size: tuple[int, int] = (240, 320)) -> dict[str, Any]:
    height, width = size
    picture = np.full((height, width, 3), TANK, np.uint8)
    heat, mask = np.full((224, 224), 10, np.uint8), np.zeros((224, 224), np.uint8)
    if odd:
        heat[56:112, 112:168] = 255
        mask[56:112, 112:168] = 255
    found = need({"boxes": [BOX] if odd else [], "map": {"shown_to": 3.0}}, anomaly_map=heat, anomaly_mask=mask)
    [output] = run(RenderAnomaly(), [item(decode_image=canonical(picture), detect_anomalies=found)])
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
