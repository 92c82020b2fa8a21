"""Points and boxes as read, mirrored and cropped."""

from pathlib import Path

import numpy as np
import pytest

from training import augment, crops, faces
from training.data import Picture

ROW = {
    "box_x0": "100", "box_y0": "100", "box_x1": "200", "box_y1": "200", "uncertainty": "0.05",
    "left_eye_x": "130", "left_eye_y": "140", "right_eye_x": "170", "right_eye_y": "140",
    "nose_x": "150", "nose_y": "170", "chin_x": "150", "chin_y": "200",
    "left_ear_inner_x": "135", "left_ear_inner_y": "110", "left_ear_outer_x": "115", "left_ear_outer_y": "120",
    "right_ear_inner_x": "165", "right_ear_inner_y": "110", "right_ear_outer_x": "185", "right_ear_outer_y": "120",
}  # fmt: skip


def face() -> faces.Face:
    return faces.face_of(Picture("set", Path("x.jpg"), "g", "train", ROW))


def test_the_head_is_wider_and_higher_than_the_labelled_square() -> None:
    assert face().side == pytest.approx(130)
    assert face().centre == pytest.approx((150, 143))


def test_points_are_in_order() -> None:
    expected = [[130, 140], [170, 140], [125, 115], [175, 115], [150, 182], [150, 170]]
    assert face().points.tolist() == expected
    assert face().eye_distance == pytest.approx(40)


def test_true_points_take_the_ear_bases_not_the_tips(tmp_path: Path) -> None:
    file = tmp_path / "a.cat"
    file.write_text("9 10 20 30 20 20 40 5 10 8 0 11 10 29 10 32 0 35 10 ", encoding="ascii")
    assert faces.true_points(file).tolist() == [[10, 20], [30, 20], [8, 10], [32, 10], [20, 40]]


def test_matrix_puts_the_centre_where_it_belongs() -> None:
    matrix = augment.similarity((10, 20), 2.0, 90.0, (48, 48))
    points = augment.transform(np.array([[10, 20], [11, 20]], np.float32), matrix)
    assert points[0] == pytest.approx([48, 48])
    assert points[1] == pytest.approx([48, 50], abs=1e-4)


def test_area_crop_is_centred_and_scaled_by_the_eyes() -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    image[139:142, 129:132] = 255
    crop = crops.area_crop(image, face().points, "left_eye", 90)
    y, x = np.argwhere(crop[..., 0] > 100).mean(axis=0)
    assert (x, y) == pytest.approx((45, 45), abs=3)  # 36 px of picture on 90 px of crop


def test_outside_the_picture_is_grey() -> None:
    crop = crops.area_crop(np.zeros((150, 150, 3), np.uint8), face().points, "right_eye", 64)
    assert (crop[:, -1] == augment.GREY).all()
