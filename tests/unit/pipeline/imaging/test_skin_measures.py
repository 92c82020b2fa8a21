"""Measures on painted skin whose truth is known: colours, lines, grain and shadows that were put there."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.imaging import skin_measures as skin

EYES = 200.0
"""Pixels between the eyes in every patch here, unless it says otherwise."""
LIGHT = (68.0, 14.0, 18.0)
"""L*, a*, b* of the painted skin; its ITA is 45 degrees."""


def painted(lightness: Any, a: float = LIGHT[1], b: float = LIGHT[2], shape: tuple[int, int] = (300, 300)) -> Any:
    """RGBA of a lightness, one number or [h,w], by the inverse of CIELAB written out here, not by the code under test."""
    light = np.broadcast_to(np.asarray(lightness, float), shape)
    y = (light + 16) / 116
    cubes = [np.where(t > 6 / 29, t**3, 3 * (6 / 29) ** 2 * (t - 4 / 29)) for t in (y + a / 500, y, y - b / 200)]
    xyz = np.stack(cubes, axis=2) * [0.95047, 1.0, 1.08883]
    matrix = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    linear = np.clip(xyz @ np.array(matrix).T, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.dstack([np.round(srgb * 255).astype(np.uint8), np.full(shape, 255, np.uint8)])


def grain(sigma: float, seed: int = 0, shape: tuple[int, int] = (300, 300)) -> Any:
    return np.random.default_rng(seed).normal(0, sigma, shape)


def lines(count: int, degrees: float = 0.0, depth: float = 8.0, width: float = 1.6, length: float = 180) -> Any:
    """Lightness [300,300] that parallel dark lines of a Gaussian profile take away, 20 pixels apart."""
    rows, columns = np.indices((300, 300)) - 149.3
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = columns * cos + rows * sin, rows * cos - columns * sin
    taken = np.zeros((300, 300))
    for number in range(count):
        profile = np.exp(-((across - (number - (count - 1) / 2) * 20) ** 2) / (2 * width**2))
        taken += depth * profile * (np.abs(along) < length / 2)
    return taken


def density(count: int, length: float = 180) -> float:
    """What lines of this length amount to, over the patch less its margin of 3 × 0.01 × 200 pixels."""
    return count * length * EYES / (300 - 12) ** 2


# --- tone -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colour", "tone"),
    [
        ((80, 8, 14), "very_light"),
        ((68, 14, 17), "light"),
        ((63, 14, 19), "intermediate"),
        ((57, 15, 20), "tan"),
        ((45, 14, 18), "brown"),
        ((28, 9, 11), "dark"),
    ],
)
def test_a_painted_colour_has_its_angle_and_class(colour: tuple[float, float, float], tone: str) -> None:
    found = skin.skin_tone(painted(*colour))
    assert found is not None
    truth = math.degrees(math.atan2(colour[0] - 50, colour[2]))
    assert found.ita == pytest.approx(truth, abs=1.0)
    assert (found.lightness, found.a, found.b) == pytest.approx(colour, abs=0.6)
    assert found.tone == tone and found.spread < 0.5


def test_the_limits_of_the_classes() -> None:
    names = [skin.tone_of(angle) for angle in (55.1, 55, 41.1, 41, 28, 10, -29.9, -30)]
    assert names == ["very_light", "light", "light", "intermediate", "tan", "brown", "brown", "dark"]


def test_grain_and_a_few_spots_do_not_move_the_tone() -> None:
    light = 68 + grain(3)
    light[40:90, 40:90] = 30
    found, plain = skin.skin_tone(painted(light)), skin.skin_tone(painted(68.0))
    assert found is not None and plain is not None
    assert found.ita == pytest.approx(plain.ita, abs=1.5)
    assert 3 < found.spread < 6, "quartiles of a normal distribution lie 1.35 standard deviations apart"


def test_what_alpha_leaves_out_does_not_count() -> None:
    patch = painted(68.0)
    patch[:, 150:, :3] = (0, 0, 255)
    patch[:, 150:, 3] = 0
    assert skin.skin_tone(patch) == skin.skin_tone(painted(68.0, shape=(300, 150)))


def test_no_skin_or_a_blue_one_has_no_tone() -> None:
    empty = painted(68.0)
    empty[..., 3] = 0
    assert skin.skin_tone(empty) is None and skin.patch_light(empty) is None
    assert skin.skin_tone(painted(68.0, 0.0, -10.0)) is None
    assert skin.skin_tone(painted(68.0, shape=(9, 9))) is None


# --- texture --------------------------------------------------------------------------------------------------------


def test_roughness_is_the_grain_that_was_painted() -> None:
    """In L*, within a tenth: rounding to 8 bits adds a little, the mean taken away costs a little."""
    for sigma in (1.5, 3.0, 5.0):
        found = skin.texture(painted(68 + grain(sigma)), EYES)
        assert found is not None and found.roughness == pytest.approx(sigma, rel=0.1)


def test_quality_falls_with_roughness_and_is_half_at_two() -> None:
    found = [skin.texture(painted(68 + grain(sigma)), EYES) for sigma in (0, 1, 2, 4, 8)]
    qualities = [each.quality for each in found if each]
    assert qualities == sorted(qualities, reverse=True) and len(qualities) == 5
    assert qualities[0] > 0.9 and qualities[2] == pytest.approx(0.5, abs=0.03)


def test_light_from_one_side_is_no_texture() -> None:
    slope = 60 + np.broadcast_to(np.linspace(0, 20, 300), (300, 300))
    found = skin.texture(painted(slope), EYES)
    assert found is not None and found.roughness < 0.5


@pytest.mark.parametrize("beside", [0, 255])
def test_the_patch_s_edge_is_no_texture(beside: int) -> None:
    """Black or white beside the outline would be the roughest thing there is, were it looked at."""
    patch = painted(68 + grain(2))
    whole = skin.texture(patch, EYES)
    patch[:, :100, :3], patch[:, :100, 3] = beside, 0
    part = skin.texture(patch, EYES)
    assert whole and part and part.roughness == pytest.approx(whole.roughness, rel=0.05)


# --- wrinkles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 20, 70, 90])
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_painted_lines_have_their_density(count: int, degrees: float) -> None:
    found = skin.wrinkles(painted(68 - lines(count, degrees) + grain(0.4)), EYES)
    assert found is not None and found.density == pytest.approx(density(count), rel=0.15)
    assert found.detected is (found.density >= 0.5)
    assert 0 < found.share < 0.2


def test_more_lines_and_longer_ones_are_denser() -> None:
    found = [skin.wrinkles(painted(68 - lines(count)), EYES) for count in (0, 1, 2, 3, 5, 8)]
    values = [each.density for each in found if each]
    assert len(values) == 6 and values[0] == 0 and all(one < other for one, other in pairwise(values))
    short, long = (skin.wrinkles(painted(68 - lines(2, length=length)), EYES) for length in (60, 180))
    assert short and long and 2.5 < long.density / short.density < 3.5


@pytest.mark.parametrize("sigma", [0, 1, 2])
def test_grain_is_no_wrinkle(sigma: float) -> None:
    found = skin.wrinkles(painted(68 + grain(sigma)), EYES)
    assert found == skin.Wrinkles(False, 0.0, 0.0)


def test_spots_light_lines_faint_lines_and_the_edge_are_no_wrinkles() -> None:
    spots = np.zeros((300, 300))
    for x in range(30, 300, 30):
        cv2.circle(spots, (x, x), 3, 12.0, -1)
    holes = [painted(68.0), painted(68.0)]
    for hole, beside in zip(holes, (0, 255), strict=True):
        hole[:, :80, :3], hole[:, :80, 3] = beside, 0
    for patch in (painted(68 - spots), painted(68 + lines(4)), painted(68 - lines(4, depth=0.8)), *holes):
        found = skin.wrinkles(patch, EYES)
        assert found is not None and (found.density, found.share) == (0, 0)


def test_what_lies_beside_the_outline_does_not_widen_lines_that_reach_it() -> None:
    plain, white = (painted(68 - lines(4)) for _ in range(2))
    plain[:, :80, 3] = white[:, :80, 3] = 0
    white[:, :80, :3] = 255
    one, other = skin.wrinkles(plain, EYES), skin.wrinkles(white, EYES)
    assert one and other and other.share == pytest.approx(one.share, rel=0.05)
    assert other.density == pytest.approx(one.density, rel=0.05)


def test_a_larger_picture_of_the_same_skin_gets_the_same_answer() -> None:
    small = painted(68 - lines(4))
    large = np.dstack(
        [cv2.resize(small[..., :3], (900, 900), interpolation=cv2.INTER_CUBIC), np.full((900, 900), 255, np.uint8)]
    )
    one, other = skin.wrinkles(small, EYES), skin.wrinkles(large, 3 * EYES)
    assert one and other and other.density == pytest.approx(one.density, rel=0.08)
    rough = [skin.texture(small, EYES), skin.texture(large, 3 * EYES)]
    assert rough[0] and rough[1] and rough[1].roughness == pytest.approx(rough[0].roughness, rel=0.1)


def test_too_coarse_a_picture_has_neither_texture_nor_wrinkles() -> None:
    patch = painted(68 - lines(4))
    assert skin.wrinkles(patch, 99.0) is None and skin.texture(patch, 99.0) is None
    assert skin.wrinkles(patch, 100.0) is not None and skin.texture(patch, 100.0) is not None
    assert skin.wrinkles(painted(68.0, shape=(20, 20)), EYES) is None, "nothing is left inside of its margin"


# --- dark circles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("darker", "severity"), [(-4, "none"), (0, "none"), (2, "none"), (4, "slight"), (8, "moderate"), (14, "strong")]
)
def test_a_painted_shadow_has_its_difference_and_step(darker: float, severity: str) -> None:
    under, cheek = painted(66.0 - darker, shape=(30, 90)), painted(66.0, shape=(90, 90))
    found = skin.dark_circle(under, cheek)
    assert found is not None and found.darker == pytest.approx(darker, abs=0.5)
    assert found.severity == severity and found.detected is (severity != "none")
    truth = math.degrees(math.atan(16 / LIGHT[2]) - math.atan((16 - darker) / LIGHT[2]))
    assert found.ita == pytest.approx(truth, abs=1.5)


def test_light_that_falls_on_both_alike_changes_nothing() -> None:
    pairs = [(painted(40.0 + more, shape=(30, 90)), painted(46.0 + more, shape=(90, 90))) for more in (0, 15, 30)]
    found = [skin.dark_circle(*pair) for pair in pairs]
    assert all(each and each.darker == pytest.approx(6, abs=0.6) for each in found)


def test_without_skin_on_both_sides_there_is_no_answer() -> None:
    whole, none = painted(60.0), painted(60.0, shape=(3, 3))
    assert skin.dark_circle(whole, none) is None and skin.dark_circle(none, whole) is None


def test_a_ridge_of_the_looked_for_width_has_the_depth_that_was_painted() -> None:
    light = (68 - lines(1, width=2.0, depth=6.0)).astype(np.float32)
    depth, _ = skin.ridges(light, 2.0)
    assert depth[120:180, 120:180].max() == pytest.approx(6.0, rel=0.1)
