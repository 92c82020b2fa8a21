"""Scenes and detections: boxes follow the pixels."""

from pathlib import Path

import numpy as np
import pytest

from training import augment, heads, scenes
from training.data import Picture
from training.faces import Face

SIZE = 128


@pytest.fixture(scope="module")
def red_face() -> tuple[Face, scenes.Pixels]:
    """A grey picture with a red square where the head is."""
    image = np.full((100, 140, 3), 60, np.uint8)
    image[30:70, 50:90] = (250, 10, 10)
    points = np.zeros((6, 2), np.float32)
    return Face(Picture("set", Path("x.jpg"), "g", "train", {}), (70.0, 50.0), 40.0, points, 1.0), image


@pytest.mark.parametrize("seed", range(12))
def test_the_head_stays_on_its_pixels(red_face, seed):
    face, image = red_face
    scene = scenes.with_head(np.random.default_rng(seed), face, image, SIZE)
    if seed % 2:
        scene = scenes.mirrored(scene)
    for cx, cy, side in scene.heads:
        inside = scene.pixels[int(cy) : int(cy) + 1, int(cx) : int(cx) + 1].astype(int)
        assert inside.size == 0 or inside[0, 0, 0] > inside[0, 0, 1] + 100
        assert 0.05 * SIZE < side < 2 * SIZE


def test_a_scene_is_repeatable(red_face):
    face, image = red_face
    empties = [np.full((80, 80, 3), 90, np.uint8)]
    first, again = (scenes.draw_scene(np.random.default_rng(9), [face], [image], empties, SIZE) for _ in range(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.heads, again.heads)


def test_a_mosaic_fills_the_frame(red_face):
    face, image = red_face
    empties = [np.full((80, 80, 3), 90, np.uint8)]
    scene = scenes.mosaic(np.random.default_rng(1), [face], [image], empties, SIZE)
    assert scene.pixels.shape == (SIZE, SIZE, 3)
    assert (scene.heads[:, :2] >= 0).all()
    assert (scene.heads[:, :2] < SIZE).all()


def test_a_letterboxed_box_comes_back_where_it_was():
    _, matrix = augment.letterbox(np.zeros((50, 200, 3), np.uint8), 100)
    there = augment.transform(np.array([[120, 10]], np.float32), matrix)[0]
    box = heads.unboxed(np.array([*there, 10, 10], np.float32), matrix)
    assert box.tolist() == pytest.approx([120, 10, 20, 20], abs=1e-3)


def test_a_second_box_on_the_same_head_is_a_miss(red_face):
    face, _ = red_face
    right = heads.Detection(np.array([70, 50, 40, 40], np.float32), 0.9)
    double = heads.Detection(np.array([72, 50, 40, 40], np.float32), 0.8)
    assert heads.tally([right, double], face) == heads.Tally([0.9, 0.8], [True, False], 1)
    assert heads.tally([right], None) == heads.Tally([0.9], [False], 0)


def test_the_head_crop_is_square_and_grey_outside():
    crop, _ = heads.head_crop(np.zeros((100, 100, 3), np.uint8), np.array([90, 50, 60, 40], np.float32), 96)
    assert crop.shape == (96, 96, 3)
    assert (crop[:, -1] == augment.GREY).all()
    assert (crop[48, 20] == 0).all()
