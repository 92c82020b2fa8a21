"""What a file says, and the canonical pixels that must come of it, worked out by hand."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import CorruptImage, DecodeMemoryLimit, ImageTooLargeSide, ImageTooManyPixels
from pipeline.imaging import canonical
from pipeline.imaging.canonical import Canonical, canonicalise
from pipeline.sniff import ImageLimits
from tests.hostile.pictures import chunk, ihdr, lined_png, oriented, png, saved, scene

LIMITS = ImageLimits()


def pixels(content: bytes, longest_side: int = 2048) -> np.ndarray:
    return array(canonicalise(content, LIMITS, longest_side))


def array(picture: Canonical) -> np.ndarray:
    return np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, 3)


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[:, :, 3:].astype(float) / 255
    return np.round(rgba[:, :, :3] * alpha + 255 * (1 - alpha))


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_orientation_is_applied(orientation: int, form: str):
    options = {"lossless": True} if form == "WEBP" else {}
    picture = canonicalise(saved(form, exif=oriented(orientation), **options), LIMITS, 2048)
    expected = TURNS[orientation](np.asarray(scene()))
    assert np.array_equal(array(picture), expected)
    assert (picture.original_height, picture.original_width) == expected.shape[:2]
    assert picture.orientation_applied == (orientation != 1)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_that_is_none_is_ignored(value: int):
    picture = canonicalise(saved("PNG", exif=oriented(value)), LIMITS, 2048)
    assert np.array_equal(array(picture), np.asarray(scene())) and not picture.orientation_applied


def test_turned_and_scaled_down():
    picture = canonicalise(saved("PNG", scene(400, 200), exif=oriented(6)), LIMITS, 100)
    assert (picture.width, picture.height, picture.original_width, picture.original_height) == (50, 100, 200, 400)
    upright = np.rot90(np.asarray(scene(400, 200).resize((100, 50), Image.Resampling.LANCZOS)), -1)
    assert np.abs(array(picture).astype(int) - upright).max() <= 1


@pytest.mark.parametrize("form", ["PNG", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_plain_modes_keep_their_colours(form: str, mode: str):
    picture = scene(mode=mode)
    assert np.array_equal(pixels(saved(form, picture)), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode: str):
    picture = scene(mode="RGBA").convert(mode)
    expected = on_white(np.asarray(picture.convert("RGBA")))
    assert np.abs(pixels(saved("PNG", picture)) - expected).max() <= 1
    assert np.asarray(picture.getchannel("A")).min() < 9, "the picture must be transparent somewhere"


def test_hidden_colours_do_not_bleed_when_scaled_down():
    green = np.zeros((400, 400, 4), np.uint8)
    green[:, :, 1] = 255
    green[:, 200:] = (255, 255, 255, 255)  # opaque white beside transparent green
    assert pixels(saved("PNG", Image.fromarray(green)), 100).min() == 255


def test_webp_alpha_is_laid_on_white():
    picture = scene(mode="RGBA")
    got = pixels(saved("WEBP", picture, lossless=True, exact=True))
    assert np.abs(got - on_white(np.asarray(picture))).max() <= 1


def test_transparent_palette_colour_and_transparent_rgb_become_white():
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255])) + chunk(b"tRNS", bytes([0]))
    lines = (b"\0" + b"\0\1" * 32) * 64
    got = pixels(png(ihdr(64, 64, 8, 3), lines, palette))
    assert got[0, 0].tolist() == [255, 255, 255] and got[0, 1].tolist() == [0, 0, 255]
    keyed = png(
        ihdr(64, 64, 8, 2), (b"\0" + bytes([9, 8, 7, 1, 2, 3]) * 32) * 64, chunk(b"tRNS", bytes([0, 9, 0, 8, 0, 7]))
    )
    assert pixels(keyed)[5, :2].tolist() == [[255, 255, 255], [1, 2, 3]]


def test_everything_transparent_is_white():
    content = lined_png(8, 3, 1, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(256)))
    assert (pixels(content) == 255).all()


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    got = pixels(saved("PNG", Image.fromarray(deep)))
    assert np.array_equal(got[:, :, 0], ((deep.astype(int) + 128) // 257).astype(np.uint8))


def test_sixteen_bit_rgb_keeps_the_upper_byte():
    lines = (b"\0" + bytes([200, 99, 100, 1, 50, 255]) * 64) * 64
    assert pixels(png(ihdr(64, 64, 16, 2), lines))[3, 3].tolist() == [200, 100, 50]


def test_cmyk_without_profile():
    got = pixels(saved("JPEG", Image.new("CMYK", (64, 64), (0, 255, 255, 0)), quality=100))
    assert np.abs(got[30, 30].astype(int) - [255, 0, 0]).max() <= 2


def swapped_profile() -> bytes:
    """The sRGB profile with red's and green's places exchanged: a profile whose effect nobody can overlook."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", profile, 128)[0]
    names = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    for at in range(132, 132 + 12 * count, 12):
        profile[at : at + 4] = names.get(bytes(profile[at : at + 4]), bytes(profile[at : at + 4]))
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_icc_profile_is_applied(form: str):
    red = Image.new("RGB", (64, 64), (250, 10, 10))
    options = {"PNG": {}, "JPEG": {"quality": 100}, "WEBP": {"lossless": True}}[form]
    got = pixels(saved(form, red, icc_profile=swapped_profile(), **options))[9, 9].astype(int)
    assert np.abs(got - [10, 250, 10]).max() <= 4


def test_srgb_profile_changes_nothing_to_the_bit():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(pixels(saved("PNG", icc_profile=srgb)), np.asarray(scene()))


@pytest.mark.parametrize("profile", [b"\xa5" * 5000, b"", swapped_profile()[:300]])
def test_profile_that_cannot_be_read_is_ignored(profile: bytes):
    assert np.array_equal(pixels(saved("PNG", icc_profile=profile)), np.asarray(scene()))


def test_profile_of_another_colour_space_is_ignored():
    grey = scene(mode="L")
    assert np.array_equal(pixels(saved("PNG", grey, icc_profile=swapped_profile())), np.asarray(grey.convert("RGB")))


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [((400, 300), 200, (200, 150)), ((401, 300), 400, (400, 299)), ((640, 32), 64, (64, 3))],
)
def test_longest_side_is_bounded(size: tuple[int, int], longest: int, expected: tuple[int, int]):
    picture = canonicalise(saved("PNG", scene(*size)), LIMITS, longest)
    assert (picture.width, picture.height) == expected
    assert (picture.original_width, picture.original_height) == size


def test_smaller_pictures_are_left_alone():
    assert np.array_equal(pixels(saved("PNG"), 96), np.asarray(scene()))


def test_shortcuts_of_scaling_cannot_be_seen():
    """Drafting a JPEG and reducing by whole numbers stay close to the one slow filter."""
    large = scene(2400, 1600)
    for content in (saved("JPEG", large, quality=95), saved("PNG", large)):
        with Image.open(BytesIO(content)) as opened:
            slow = np.asarray(opened.resize((300, 200), Image.Resampling.LANCZOS)).astype(float)
        assert np.abs(pixels(content, 300) - slow).mean() < 1.5


def test_mpo_gives_its_first_picture():
    content = saved("MPO", scene(), save_all=True, append_images=[Image.new("RGB", (96, 64), "red")], quality=95)
    assert np.array_equal(pixels(content), pixels(saved("JPEG", scene(), quality=95)))


@pytest.mark.parametrize(("size", "error"), [((9000, 9000), ImageTooManyPixels), ((12_500, 700), ImageTooLargeSide)])
def test_a_decoder_that_sees_another_size_than_the_header_reader_is_checked_again(size, error):
    two = saved("JPEG", scene(64, 64))
    at = two.index(b"\xff\xc0")
    frame = two[at : at + 19]
    larger = frame[:5] + struct.pack(">HH", *size[::-1]) + frame[9:]
    with pytest.raises(error):
        canonicalise(two[: at + 19] + larger + two[at + 19 :], LIMITS, 2048)


def test_names_of_what_pillow_raises():
    assert isinstance(canonical._named(MemoryError()), DecodeMemoryLimit)
    assert isinstance(canonical._named(OSError("decoder error -9: out of memory")), DecodeMemoryLimit)
    assert type(canonical._named(ImportError("late"))).code == "DECODER_CRASH"
    assert isinstance(canonical._named(struct.error("x")), CorruptImage)
