"""What we write, we read back to the bit; what we did not write, we do not read."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputCorrupt
from pipeline.imaging.codec import decode_own, encode_jpeg, encode_png, pixel_digest
from tests.hostile.pictures import saved, scene

DICE = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (64, 33, 3), (1, 300, 3), (33, 64, 4), (1, 1, 4)])
def test_png_and_back(shape: tuple[int, ...]):
    pixels = DICE.integers(0, 256, shape, np.uint8)
    content = encode_png(pixels)
    back = decode_own(content)
    assert content.startswith(b"\x89PNG") and back.shape == shape and np.array_equal(back, pixels)
    assert encode_png(pixels) == content == encode_png(np.asfortranarray(pixels))


def test_colours_under_zero_alpha_are_kept():
    cutout = np.full((8, 8, 4), (10, 200, 30, 0), np.uint8)
    assert np.array_equal(decode_own(encode_png(cutout)), cutout)


def test_views_and_read_only_arrays():
    pixels = DICE.integers(0, 256, (40, 60, 3), np.uint8)
    view = pixels[::2, ::-1]
    view.flags.writeable = False
    assert np.array_equal(decode_own(encode_png(view)), view)


def test_channels_are_in_the_order_that_others_read():
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 255
    for content in (encode_png(red), encode_jpeg(red)):
        with Image.open(BytesIO(content)) as opened:
            pixel = opened.convert("RGB").getpixel((8, 8))
        assert isinstance(pixel, tuple) and pixel[0] > 250 and max(pixel[1:]) < 5


def test_jpeg_is_close_repeatable_and_better_when_asked():
    picture = np.asarray(scene(200, 150))
    fine, coarse = (encode_jpeg(picture, quality) for quality in (95, 40))
    assert encode_jpeg(picture) == encode_jpeg(picture, 90)
    assert len(fine) > len(coarse)
    errors = [np.abs(decode_own(content).astype(int) - picture).mean() for content in (fine, coarse)]
    assert errors[0] < errors[1] < 20
    assert decode_own(encode_jpeg(picture[:, :, 0])).shape == (150, 200)


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 4, 5), (4,), (2, 4, 4, 3), (0, 4, 3)])
def test_shapes_that_are_no_pictures(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="cannot write"):
        encode_png(np.zeros(shape, np.uint8))


def test_floats_and_transparent_jpegs_are_refused():
    with pytest.raises(ValueError, match="float64"):
        encode_png(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="alpha"):
        encode_jpeg(np.zeros((4, 4, 4), np.uint8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        encode_png(np.zeros((9, 9, 3), np.uint8))[:-30],
        saved("GIF"),
        saved("WEBP"),
        saved("BMP"),
        saved("PNG", scene(mode="P")),
        saved("PNG", scene(mode="I;16")),
        saved("JPEG", scene(mode="CMYK")),
    ],
)
def test_what_we_did_not_write_is_refused(content: bytes):
    with pytest.raises(InputCorrupt):
        decode_own(content)


def test_digest_is_of_shape_and_pixels():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (
        pixel_digest(pixels) == pixel_digest(decode_own(encode_png(pixels))) == pixel_digest(pixels[:, ::-1][:, ::-1])
    )
    assert len({pixel_digest(p) for p in (pixels, pixels.reshape(3, 4, 4), pixels.reshape(4, 12), pixels[::-1])}) == 4
