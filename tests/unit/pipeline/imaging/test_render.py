"""Pictures for people: where things are drawn, what stays untouched, and that nothing odd breaks them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from pipeline.contracts import BoundingBox as Box
from pipeline.imaging import render
from pipeline.imaging.lettering import shortened
from pipeline.imaging.marks import TONES, Mark
from pipeline.imaging.render import contact_sheet, draw_preview, on_checkerboard, on_white, overlay_heat
from tests.hostile.pictures import scene

GREY = np.full((700, 900, 3), 90, np.uint8)
HEAT = np.zeros((7, 7))
HEAT[1, 5] = 1.0


def near(pixels: np.ndarray, colour: tuple[int, int, int], within: int = 12) -> np.ndarray:
    return (np.abs(pixels.astype(int) - colour) <= within).all(axis=-1)


@pytest.mark.parametrize("tone", TONES)
def test_a_box_is_drawn_where_it_is_in_its_tone(tone: str):
    drawn = draw_preview(GREY, [Mark(Box(200, 300, 250, 150), "", tone)])
    for y, x in ((300, 320), (450, 320), (380, 200), (380, 450)):
        assert near(drawn[y - 3 : y + 4, x - 3 : x + 4], TONES[tone]).any()
    assert np.array_equal(drawn[320:430, 220:430], GREY[320:430, 220:430])
    assert np.array_equal(drawn[:290], GREY[:290])


def test_points_are_dots_where_they_are():
    drawn = draw_preview(GREY, [], [(450, 350), (-500, 20)])
    assert near(drawn[350, 450], (255, 230, 80)) and (drawn != GREY).any(axis=2).sum() < 400


def test_the_input_is_left_alone():
    picture = GREY.copy()
    draw_preview(picture, [Mark(Box(10, 10, 50, 50), "x")])
    assert np.array_equal(picture, GREY)


@pytest.mark.parametrize("size", [(32, 32), (75, 100), (640, 32), (32, 640), (480, 640), (2048, 1365)])
def test_labels_are_legible_at_any_size(size: tuple[int, int]):
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    drawn = draw_preview(picture, [Mark(Box(width * 0.3, height * 0.3, width * 0.4, height * 0.4), "left eye", "good")])
    assert max(drawn.shape[:2]) == max(640, width, height)
    plate = near(drawn, TONES["good"])
    rows = np.flatnonzero(plate.sum(axis=1) > 0.02 * drawn.shape[1])
    assert len(rows) >= min(13, drawn.shape[0] // 3)


def plates(drawn: np.ndarray, tone: str) -> int:
    return int(near(drawn, TONES[tone]).sum())


def test_labels_make_way_for_each_other():
    boxes = [Mark(Box(400, 300, 60, 60), "first label", tone) for tone in ("good", "bad", "unsure", "plain")]
    alone = [plates(draw_preview(GREY, [mark]), mark.tone) for mark in boxes]
    together = draw_preview(GREY, boxes)
    # The boxes themselves lie on each other; the plates, much larger, must not.
    assert all(plates(together, mark.tone) > 0.7 * only for mark, only in zip(boxes, alone, strict=True))


@pytest.mark.parametrize("box", [Box(-300, -300, 100, 100), Box(850, 650, 400, 400), Box(-50, -50, 2000, 2000)])
def test_a_label_stays_in_the_picture(box: Box):
    drawn = draw_preview(GREY, [Mark(box, "outside", "bad")])
    assert plates(drawn, "bad") > 500


def test_a_label_longer_than_the_picture_is_shortened():
    drawn = draw_preview(GREY, [Mark(Box(10, 100, 50, 50), "w" * 500, "bad")])
    assert drawn.shape == GREY.shape


def test_equal_input_gives_equal_pictures():
    marks = [Mark(Box(10, 20, 300, 200), "cat face 0.98", "face"), Mark(Box(60, 60, 50, 50), "left eye", "good")]
    assert np.array_equal(draw_preview(GREY, marks, [(70, 70)]), draw_preview(GREY, marks, [(70, 70)]))


@pytest.mark.parametrize("style", ["uniform", "jet"])
def test_heat_is_where_the_map_is_hot(style: render.Style):
    crop = np.full((224, 224, 3), 90, np.uint8)
    over = overlay_heat(crop, HEAT, style)
    changed = np.abs(over.astype(int) - (crop if style == "uniform" else over[200, 20].astype(int))).sum(axis=2)
    y, x = np.unravel_index(changed.argmax(), changed.shape)
    assert 25 < y < 75 and 150 < x < 205 and over.shape == crop.shape and over.dtype == np.uint8


def test_uniform_leaves_what_is_cold():
    crop = np.asarray(scene(224, 224))
    assert np.array_equal(overlay_heat(crop, HEAT)[150:, :100], crop[150:, :100])


def test_jet_is_the_familiar_blend():
    crop = np.full((224, 224, 3), 90, np.uint8)
    cold = overlay_heat(crop, HEAT, "jet")[200, 20]
    assert cold.tolist() == [54, 54, round(54 + 0.4 * 128)]  # jet begins at blue 128


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e6])
def test_only_the_shape_of_a_map_counts(factor: float):
    crop = np.asarray(scene(224, 224))
    assert np.abs(overlay_heat(crop, HEAT * factor - 3 * factor).astype(int) - overlay_heat(crop, HEAT)).max() <= 1


@pytest.mark.parametrize(
    "heat", [np.zeros((7, 7)), np.full((7, 7), 3.5), np.full((7, 7), np.nan), np.where(HEAT, np.inf, 0)]
)
def test_a_map_that_says_nothing_gives_the_plain_crop(heat: np.ndarray):
    crop = np.asarray(scene(224, 224))
    over = overlay_heat(crop, heat)
    assert np.array_equal(over, crop) and over is not crop


def test_a_picture_is_shrunk_in_proportion_and_a_small_one_is_not():
    assert render.shrunk(GREY, 300).shape == (233, 300, 3)
    assert render.shrunk(GREY, 900) is GREY and render.shrunk(GREY, 2000) is GREY


def test_a_shrunk_cutout_has_no_dark_fringe():
    cutout = np.zeros((90, 90, 4), np.uint8)
    cutout[:, :41] = (200, 180, 160, 255)  # the edge falls inside a small pixel
    small = render.shrunk(cutout, 30)
    edge = small[15, 13]
    assert 100 < edge[3] < 200 and np.abs(edge[:3].astype(int) - (200, 180, 160)).max() <= 2
    assert small[15, 25, 3] == 0 and small[15, 3].tolist() == [200, 180, 160, 255]


def test_cutouts_on_white_and_on_chequers():
    cutout = np.zeros((64, 64, 4), np.uint8)
    cutout[:, :32] = (10, 200, 30, 255)
    cutout[:, 32:48] = (0, 0, 0, 128)
    white = on_white(cutout)
    assert white[5, 5].tolist() == [10, 200, 30] and white[5, 60].tolist() == [255] * 3
    assert white[5, 40].tolist() == [127] * 3
    chequers = on_checkerboard(cutout)
    assert set(np.unique(chequers[:, 48:])) == {204, 255} and chequers[5, 5].tolist() == [10, 200, 30]


def test_contact_sheet():
    red, tall = np.full((50, 100, 3), (200, 0, 0), np.uint8), np.full((90, 20, 3), (0, 0, 200), np.uint8)
    grey, cutout = np.full((30, 30), 60, np.uint8), np.zeros((30, 30, 4), np.uint8)
    sheet = contact_sheet([(red, "red"), (tall, "x" * 300), (grey, ""), (cutout, "ümlaut")], columns=3, side=100)
    assert sheet.shape[1] == 6 + 3 * 106 and sheet.shape[0] == 6 + 2 * 126
    assert sheet[56, 56].tolist() == [200, 0, 0] and sheet[20, 56].tolist() == [228, 228, 225]
    assert sheet[56, 162].tolist() == [0, 0, 200] and sheet[56, 268].tolist() == [60, 60, 60]
    with pytest.raises(ValueError, match="needs a picture"):
        contact_sheet([])


def test_captions_are_shortened_to_fit():
    font = ImageFont.load_default(size=20)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert shortened("short", font, 400) == "short"
    cut = shortened("a very long caption indeed", font, 100)
    assert cut.endswith("…") and font.getlength(cut) <= 100
