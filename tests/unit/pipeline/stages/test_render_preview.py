from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.stage import Need, StageInput
from pipeline.stages.render_preview import RenderPreview
from tests.unit.pipeline.items import OFF, SKIPPED, canonical, item, need, plain, run

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
    assert answer.data == {} and not answer.artifacts["preview"].lossless
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
