"""Pictures that no service has seen: all different where it counts, in their pixels, and all still pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.load.pictures import changed, distinct, repeated

COUNT = 400
"""More than a 64-pixel picture has squares, so that shades are used too."""


def written(folder: Path, name: str, kind: str, grey: int = 90) -> Path:
    path = folder / name
    noise = np.random.default_rng(grey).integers(grey - 20, grey + 20, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, kind)
    return path


def pixels(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return image.tobytes()


@pytest.mark.parametrize(("name", "kind"), [("eye.jpg", "JPEG"), ("eye.png", "PNG")])
def test_one_picture_becomes_as_many_as_are_wanted_and_no_two_have_equal_pixels(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = written(tmp_path, name, kind)
    made = distinct(path, 60)
    assert made[0] == path.read_bytes()
    assert len({pixels(content) for content in made}) == 60
    with Image.open(io.BytesIO(made[-1])) as image:
        assert (image.format, image.size) == (kind, (64, 64))


def test_a_change_is_small(tmp_path: Path) -> None:
    content = written(tmp_path, "eye.png", "PNG").read_bytes()
    before, after = (np.frombuffer(pixels(each), np.uint8).astype(int) for each in (content, changed(content, 5)))
    assert 0 < np.abs(after - before).max() <= 18
    assert (after != before).sum() <= 16 * 16 * 3


def test_a_folders_files_come_first_and_equal_ones_once(tmp_path: Path) -> None:
    files = [written(tmp_path, f"{grey}.jpg", "JPEG", grey) for grey in (60, 90, 120)]
    (tmp_path / "again.jpg").write_bytes(files[0].read_bytes())
    (tmp_path / "notes.txt").write_text("no picture")
    made = distinct(tmp_path, 10)
    assert set(made[:3]) == {path.read_bytes() for path in files}
    assert len({pixels(content) for content in made}) == 10


def test_a_picture_whose_copies_are_used_up_is_no_endless_loop(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only"):
        distinct(written(tmp_path, "eye.png", "PNG"), COUNT)


def test_repeated_is_one_picture(tmp_path: Path) -> None:
    path = written(tmp_path, "eye.jpg", "JPEG")
    assert repeated(path, 3) == [path.read_bytes()] * 3


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        distinct(tmp_path, 1)
