"""The drawing shows the points where they are, and which regions were cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts import RunState
from pipeline.imaging.mesh_drawing import LEFT_OUT, POINT, SEEN, SIDE
from pipeline.stages.render_face_mesh import RenderFaceMesh
from tests.unit.pipeline.items import canonical, ended, item, need, run
from tests.unit.pipeline.tiny_faces import portrait

POINTS = (portrait() - [0.5, 0.5, 0]) * 300 + [250, 200, 0]


def drawn(dot: tuple[float, float] | None = None, **cropped: Any) -> Any:
    """On black, or with a white dot of 21 pixels in the picture."""
    picture = np.zeros((400, 500, 3), np.uint8)
    if dot is not None:
        x, y = map(round, dot)
        picture[y - 10 : y + 11, x - 10 : x + 11] = 255
    mesh = need({"points": POINTS.tolist(), "square": {"x": 250.0, "y": 200.0, "side": 300.0, "angle": 0.4}})
    needs = {"decode_image": canonical(picture), "detect_face_mesh": mesh, **cropped}
    picture = run(RenderFaceMesh(), [item(**needs)])[0].artifacts["preview"]
    assert picture.pixels.shape == (SIDE, SIDE, 3) and not picture.lossless
    return picture.pixels


def count(pixels: Any, colour: tuple[int, int, int]) -> int:
    return int((pixels == colour).all(axis=2).sum())


def test_points_are_drawn_where_they_are_however_the_square_is_tilted() -> None:
    pixels = drawn()
    found = 0
    for x, y in portrait()[:, :2] * SIDE:
        near = pixels[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].reshape(-1, 3)
        found += bool((near == POINT).all(axis=1).any())
    assert found > 440, "some lie below an outline"


def test_the_picture_lies_below_the_points_upright() -> None:
    """A white square about the left corner of the left eye (point 33): it fills what is drawn about that point."""
    x, y = (portrait()[33, :2] * SIDE).round().astype(int).tolist()
    pixels = drawn(dot=(POINTS[33, 0], POINTS[33, 1]))
    side = round(21 * SIDE / 300)
    near = pixels[y - side : y + side, x - side : x + side]
    white = (near == 255).all(axis=2)
    assert white[side // 2 : -side // 2, side // 2 : -side // 2].mean() > 0.5
    assert white.sum() == pytest.approx(side**2, rel=0.25)


def test_outlines_say_what_was_cut() -> None:
    told = {name: {"inside": name == "nose"} for name in ("nose", "chin", "forehead")}
    pixels = drawn(crop_regions=need({"regions": told}))
    assert count(pixels, SEEN) > 300 and count(pixels, LEFT_OUT) > 1000
    every = drawn(crop_regions=need({"regions": {name: {"inside": True} for name in ("nose", "chin", "forehead")}}))
    assert count(every, SEEN) > 1.5 * count(pixels, SEEN)


@pytest.mark.parametrize("cropped", [{}, {"crop_regions": ended(RunState.FAILED, "MODEL_RUN_FAILED")}])
def test_without_crops_every_outline_is_grey(cropped: Any) -> None:
    assert count(drawn(**cropped), SEEN) == 0
