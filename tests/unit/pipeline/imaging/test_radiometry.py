"""Temperatures come out as they went in; what is no plane of temperatures is told apart, whatever bytes it is made of."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.errors import DecoderCrash, InputError, NotRadiometric, RadiometryUnreadable
from pipeline.imaging import flir, radiometry
from pipeline.imaging.decode import Decoder
from pipeline.imaging.radiometry import Camera, celsius
from tests import flir_files
from tests.flir_files import CAMERA, REAL, block, camera_record, counts_of, jpeg, needs_real, raw_record, with_block
from tests.unit.pipeline.imaging.test_decode_answers import answer

SCENE = np.linspace(-15, 120, 60 * 80).reshape(60, 80)
GREY = jpeg(np.full((60, 80, 3), 90, np.uint8))
GOOD = {0x20: camera_record(CAMERA), 0x01: raw_record(counts_of(SCENE))}
PNG = raw_record(counts_of(SCENE), png=True)


def camera(**other: float) -> Camera:
    return Camera(**{**CAMERA, **other})


@pytest.mark.parametrize("png", [False, True])
@pytest.mark.parametrize(
    "other",
    [
        {},
        {"emissivity": 1.0, "distance_m": 0.0, "window_transmission": 1.0},
        {"emissivity": 0.6, "reflected_k": 255.15, "humidity": 0.95, "atmosphere_k": 303.15, "distance_m": 40.0},
        {"r1": 17835.57, "r2": 0.1211, "b": 1483.5, "f": 1.75, "o": -5804},
    ],
    ids=["usual", "straight", "far and shiny", "hot range"],
)
def test_temperatures_come_out_as_they_went_in(decoder: Decoder, png: bool, other: dict[str, float]) -> None:
    """To what a count is worth: 0.05 °C, a few tenths in a range for hundreds of degrees."""
    told = {**CAMERA, **other}
    scene = SCENE + 200 if "f" in other else SCENE
    found = radiometry.read(flir_files.radiometric(scene, camera=told, png=png), decoder)
    assert np.abs(celsius(found.counts, found.camera) - scene).max() < (0.2 if "f" in other else 0.05)


def test_another_emissivity_makes_a_shiny_thing_hotter(decoder: Decoder) -> None:
    """Seen as if it were black, a body of 0.6 that reflects a cold sky looks colder than it is."""
    shiny = {**CAMERA, "emissivity": 0.6, "reflected_k": 255.15}
    counts = counts_of([[60.0, 80.0]], shiny)
    told_black = camera(reflected_k=255.15, emissivity=1.0)
    assert (celsius(counts, told_black) < [[50, 70]]).all()
    assert celsius(counts, told_black, 0.6) == pytest.approx(np.array([[60.0, 80.0]]), abs=0.05)


def test_what_no_temperature_gives_is_no_number() -> None:
    """Less than the surroundings alone would give."""
    plane = celsius(np.array([[0, 20_000]], np.uint16), camera())
    assert np.isnan(plane[0, 0]) and np.isfinite(plane[0, 1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_plane_is_turned_as_its_picture_is(decoder: Decoder, orientation: int) -> None:
    """White where it is hot, before and after."""
    scene = np.full((60, 80), 20.0)
    scene[5:20, 10:30] = 90
    pixels = np.where(scene[:, :, None] > 50, 255, 0).astype(np.uint8).repeat(3, axis=2)
    content = flir_files.radiometric(scene, pixels, orientation=orientation)
    found, picture = radiometry.read(content, decoder), decoder.decode(content).pixels
    assert found.counts.shape == picture.shape[:2]
    assert ((celsius(found.counts, found.camera) > 50) == (picture[:, :, 0] > 128)).mean() > 0.99


def test_both_orders_of_bytes_and_many_segments_are_read() -> None:
    """DJI's cameras write the directory the other way round; a plane of 640 x 480 takes eleven segments."""
    scene = np.linspace(0, 100, 640 * 480).reshape(480, 640)
    records = {0x01: raw_record(counts_of(scene), order=">"), 0x20: camera_record(CAMERA, ">")}
    content = with_block(GREY, block(records, "<"))
    assert content.count(b"FLIR\0\1") == 11
    plane = flir.read_plane(content)
    assert np.array_equal(np.frombuffer(plane.counts, "<u2").reshape(480, 640), counts_of(scene))
    assert plane.numbers["b"] == pytest.approx(1414.9) and plane.numbers["o"] == -4405


def test_a_picture_without_a_plane_is_told_apart(decoder: Decoder) -> None:
    for content in (GREY, b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"x"):
        with pytest.raises(NotRadiometric):
            radiometry.read(content, decoder)


def changed(record: bytes, form: str, place: int, value: float) -> bytes:
    made = bytearray(record)
    struct.pack_into(form, made, place, value)
    return bytes(made)


BROKEN: dict[str, Callable[[], bytes]] = {
    "no FFF": lambda: b"JFIF" * 40,
    "no records": lambda: block({}),
    "no camera": lambda: block({0x01: GOOD[0x01]}),
    "no plane": lambda: block({0x20: GOOD[0x20]}),
    "a directory beyond the end": lambda: changed(block(GOOD), ">I", 24, 2**32 - 1),
    "a record beyond the end": lambda: changed(block(GOOD), ">I", 64 + 12, 2**31),
    "more records than bytes": lambda: changed(block({}), ">I", 28, 2**32 - 1),
    "a short camera": lambda: block({**GOOD, 0x20: GOOD[0x20][:0x200]}),
    "a short plane": lambda: block({**GOOD, 0x01: GOOD[0x01][:-1]}),
    "no counts": lambda: block({**GOOD, 0x01: changed(GOOD[0x01], "<H", 2, 0)}),
    "four billion counts": lambda: block({**GOOD, 0x01: changed(GOOD[0x01], "<I", 2, 2**32 - 1)}),
    "a PNG of another size": lambda: block({**GOOD, 0x01: changed(PNG, "<H", 2, 79)}),
    "half a PNG": lambda: block({**GOOD, 0x01: PNG[: len(PNG) // 2]}),
    "a PNG of 8 bits": lambda: block({**GOOD, 0x01: PNG[:32] + PNG[32:].replace(b"\x10\x00\x00\x00\x00", b"\x08\0\0\0\0", 1)}),
    **{
        f"{name} of {value}": (lambda place=place, value=value: block(
            {**GOOD, 0x20: changed(GOOD[0x20], "<f", place, value)}))
        for place, name in flir_files.PLACES.items()
        for value in ((float("nan"), float("inf"), -1e30) if name != "alpha1" else (float("nan"), float("inf"), -1e3))
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plane_is_unreadable_and_nothing_else(decoder: Decoder, name: str) -> None:
    with pytest.raises(RadiometryUnreadable):
        radiometry.read(with_block(GREY, BROKEN[name]()), decoder)


def test_the_picture_of_a_broken_plane_is_as_good_as_ever(decoder: Decoder) -> None:
    assert decoder.decode(with_block(GREY, BROKEN["half a PNG"]())).pixels.shape == (60, 80, 3)


def test_no_bytes_break_the_reader() -> None:
    """Two thousand files with wrong bytes, cuts and doublings: a plane of the right size or one of two errors."""
    rng = random.Random(1)
    whole = [with_block(GREY, block({**GOOD, 0x01: raw})) for raw in (GOOD[0x01], PNG)]
    ends = set()
    for number in range(2000):
        ends.add(read_or_refused(damaged(rng, whole[number % 2])))
    assert ends == {"plane", "NOT_RADIOMETRIC", "RADIOMETRY_UNREADABLE"}


def damaged(rng: random.Random, content: bytes) -> bytes:
    made = bytearray(content)
    for _ in range(rng.choice([1, 2, 8])):
        at = rng.randrange(2, rng.choice([400, 4000, len(made)]))
        match rng.randrange(4):
            case 0:
                made[at] = rng.randrange(256)
            case 1:
                made[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"])
            case 2:
                del made[at : at + rng.randrange(1, 400)]
            case _:
                made[at:at] = made[at : at + 64]
    return bytes(made)


def read_or_refused(content: bytes) -> str:
    try:
        plane = flir.read_plane(content)
    except InputError as error:
        return error.code
    assert len(plane.counts) == 2 * plane.width * plane.height <= 2 * flir.MOST_COUNTS
    return "plane"


@pytest.mark.parametrize(
    "lie",
    [
        {"width": 3}, {"width": -2, "height": -1}, {"width": 0}, {"width": 10**30}, {"height": None},
        {"orientation": "up"}, {"numbers": None}, {"numbers": {"r1": "x"}}, {"code": "NOT_A_CAT", "detail": ""},
    ],
)  # fmt: skip
def test_a_child_that_was_taken_over_is_not_believed(lie: dict[str, Any]) -> None:
    class TakenOver:
        def answer(self, *_: object) -> Any:
            return answer({**TRUE, **lie}, bytes(4))

    with pytest.raises(DecoderCrash):
        radiometry.read(b"", TakenOver())  # type: ignore[arg-type]  # of a decoder it has what is asked


def test_a_child_s_strange_numbers_are_no_camera_s() -> None:
    class Strange:
        def answer(self, *_: object) -> Any:
            return answer({**TRUE, "numbers": {**CAMERA, "gain": 2.0}}, bytes(4))

    with pytest.raises(RadiometryUnreadable):
        radiometry.read(b"", Strange())  # type: ignore[arg-type]  # as above


TRUE = {"width": 2, "height": 1, "orientation": 1, "numbers": CAMERA}


@needs_real
@pytest.mark.parametrize(
    ("name", "shape", "spot", "shown", "off"),
    [
        ("Flir_E40.jpg", (120, 160), (60, 80), 20.9, 0.1),
        ("Flir_B60.jpg", (180, 180), (90, 90), (19.0 - 32) / 1.8, 0.1),
    ],
)
def test_a_real_camera_s_own_reading_is_met(
    decoder: Decoder, name: str, shape: tuple[int, int], spot: tuple[int, int], shown: float, off: float
) -> None:
    """The camera has written its spot's temperature into its picture, by what it then knew of the scene."""
    found = radiometry.read((REAL / name).read_bytes(), decoder)
    plane = celsius(found.counts, found.camera)
    row, column = spot
    assert plane.shape == shape
    assert plane[row - 1 : row + 2, column - 1 : column + 2].mean() == pytest.approx(shown, abs=off)


@needs_real
def test_of_other_real_files_each_is_read_or_told_apart(decoder: Decoder) -> None:
    ends = {}
    for path in sorted(REAL.glob("*.jpg")):
        try:
            found = radiometry.read(path.read_bytes(), decoder)
        except InputError as error:
            ends[path.stem] = error.code
            continue
        plane = celsius(found.counts, found.camera)
        assert np.isfinite(plane).all() and -80 < plane.min() < plane.max() < 260
        ends[path.stem] = "plane"
    assert ends == {
        "DJI_XT-2": "plane", "Flir_B60": "plane", "Flir_E40": "plane", "T640": "plane", "T640_2": "plane",
        "H20T": "NOT_RADIOMETRIC", "H20T_2": "NOT_RADIOMETRIC",
    }  # fmt: skip
