"""Temperatures are told where they were left, with all that they rest on; elsewhere there is a code and no number."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from pipeline.imaging.decode import decode
from pipeline.stage import File, Need, StageInput, StageOutput
from pipeline.stages.measure_temperatures import MeasureTemperatures
from tests import flir_files
from tests.unit.pipeline.items import SKIPPED, answered, canonical, need

SCENE = np.full((60, 80), 20.0)
SCENE[10:20, 40:50] = 61.0
SCENE[12, 45] = 88.0
BOX = {"x": 160.0, "y": 40.0, "width": 40.0, "height": 40.0}
PICTURE = np.clip((SCENE - 20) * 3, 0, 255).astype(np.uint8).repeat(4, 0).repeat(4, 1)[:, :, None].repeat(3, 2)
BARE = flir_files.jpeg(np.zeros((60, 80, 3), np.uint8))
COLDER_THAN_ALL = flir_files.with_block(
    BARE,
    flir_files.block(
        {
            0x01: flir_files.raw_record(np.zeros((60, 80), np.uint16)),
            0x20: flir_files.camera_record(flir_files.CAMERA),
        }
    ),
)


def original(content: bytes) -> Need:
    return answered(StageOutput({}, {"original": File(content, "image/jpeg")}))


def measured(content: bytes, emissivity: float | None = None, boxes: Any = (BOX,), **needs: Any) -> Any:
    """Of a picture four times as large as its plane, bright where it is warm."""
    picture = canonical(PICTURE)
    found = {
        "fetch_input": original(content),
        "decode_image": picture,
        "detect_anomalies": need({"boxes": list(boxes)}),
    }
    options = {} if emissivity is None else {"emissivity": emissivity}
    [output] = MeasureTemperatures().run([StageInput({**found, **needs}, options)], {})
    return output


def test_temperatures_are_told_with_what_they_rest_on() -> None:
    data = measured(flir_files.radiometric(SCENE)).data
    assert data["code"] is None and data["unit"] == "°C"
    assert [data[name] for name in ("min", "max")] == pytest.approx([20, 88], abs=0.05)
    assert data["mean"] == pytest.approx(SCENE.mean(), abs=0.05)
    assert data["hottest"] == {"x": 182.0, "y": 50.0}
    assert (data["emissivity"], data["emissivity_from"], data["reflected_c"]) == (0.95, "camera", 25.0)
    assert (data["atmosphere_c"], data["humidity"], data["distance_m"]) == (10.0, 0.6, 5.0)
    assert data["range"] == {"from": -40.0, "to": 150.0} and data["outside"] == data["unmeasured"] == 0
    assert 0.9 < data["transmission"] < 1 and (data["width"], data["height"]) == (80, 60)


def test_each_box_has_its_own() -> None:
    far = {"x": 0.0, "y": 200.0, "width": 0.5, "height": 0.5}
    first, second = measured(flir_files.radiometric(SCENE), boxes=(BOX, far)).data["boxes"]
    assert first["max"] == pytest.approx(88, abs=0.05) and first["mean"] == pytest.approx(61.27, abs=0.05)
    assert second == {"max": pytest.approx(20, abs=0.05), "mean": pytest.approx(20, abs=0.05)}
    assert measured(flir_files.radiometric(SCENE), detect_anomalies=SKIPPED).data["boxes"] == []


def test_the_plane_is_kept_in_float32() -> None:
    output = answered(measured(flir_files.radiometric(SCENE)))
    plane = np.load(io.BytesIO(output.content("celsius")), allow_pickle=False)
    assert plane.dtype == np.float32 and plane.shape == (60, 80) and plane[12, 45] == pytest.approx(88, abs=0.05)


def test_the_request_s_emissivity_takes_the_camera_s_place_and_says_so() -> None:
    content = flir_files.radiometric(SCENE, camera={**flir_files.CAMERA, "emissivity": 1.0})
    plain, asked = measured(content).data, measured(content, 0.5).data
    assert (asked["emissivity"], asked["emissivity_from"]) == (0.5, "request")
    assert asked["max"] > plain["max"] + 20


def test_what_lies_beyond_the_camera_s_range_is_counted() -> None:
    hot = {**flir_files.CAMERA, "range_from_k": 333.15, "range_to_k": 353.15}
    data = measured(flir_files.radiometric(SCENE, camera=hot)).data
    assert data["outside"] == pytest.approx(1 - 99 / 4800, abs=1e-6)
    unsaid = {**flir_files.CAMERA, "range_from_k": 0, "range_to_k": 0}
    data = measured(flir_files.radiometric(SCENE, camera=unsaid)).data
    assert data["range"] is data["outside"] is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (BARE, "NOT_RADIOMETRIC"),
        (flir_files.with_block(BARE, b"FFF\0"), "RADIOMETRY_UNREADABLE"),
        (COLDER_THAN_ALL, "RADIOMETRY_UNREADABLE"),
    ],
    ids=["none", "broken", "nothing measured"],
)
def test_without_temperatures_there_is_a_code_and_no_number(content: bytes, code: str) -> None:
    output = measured(content)
    assert output.data == {"code": code} and not output.artifacts


def test_a_bad_picture_changes_nothing_for_its_neighbours() -> None:
    def item(content: bytes) -> StageInput:
        picture = canonical(PICTURE)
        return StageInput({"fetch_input": original(content), "decode_image": picture, "detect_anomalies": SKIPPED})

    good = item(flir_files.radiometric(SCENE))
    alone, *_ = MeasureTemperatures().run([good], {})
    among = MeasureTemperatures().run([item(b"\xff\xd8\xff\xe1\0\x0cFLIR\0\1\0\0"), good], {})[1]
    assert among == alone


COLD_WHITE = 255 - PICTURE


@pytest.mark.parametrize("shown", [PICTURE, COLD_WHITE, PICTURE * [1, 0, 0] + COLD_WHITE * [0, 0, 1]])
def test_any_palette_shows_that_plane_and_picture_belong_together(shown: Any) -> None:
    data = measured(flir_files.radiometric(SCENE), decode_image=canonical(shown.astype(np.uint8))).data
    assert data["aligned"] and data["agreement"] > 0.9 and data["hottest"]


@pytest.mark.parametrize(
    "shown",
    [PICTURE[:, ::-1], PICTURE[30:90, 150:230].repeat(4, 0).repeat(4, 1), PICTURE * 0],
    ids=["mirrored", "a part", "plain"],
)
def test_of_a_picture_that_shows_something_else_no_place_is_told(shown: Any) -> None:
    data = measured(flir_files.radiometric(SCENE), decode_image=canonical(np.ascontiguousarray(shown))).data
    assert (data["aligned"], data["hottest"], data["boxes"]) == (False, None, None)
    assert data["max"] == pytest.approx(88, abs=0.05)


@flir_files.needs_real
@pytest.mark.parametrize(
    ("name", "aligned"),
    [("Flir_E40", True), ("T640_2", True), ("DJI_XT-2", True), ("T640", False), ("Flir_B60", False)],
)
def test_real_pictures_that_are_zoomed_or_mostly_photographs_are_told_apart(name: str, aligned: bool) -> None:
    """The T640's picture is zoomed, the B60's is a photograph with a thermogram in its middle."""
    content = (flir_files.REAL / f"{name}.jpg").read_bytes()
    data = measured(content, decode_image=canonical(decode(content).pixels)).data
    assert data["aligned"] is aligned
