"""What the header reader says of good, partial and random bytes, and that it needs nothing but the library."""

from __future__ import annotations

import subprocess
import sys
import time
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import (
    AnimatedNotSupported,
    BadAspectRatio,
    CorruptImage,
    ImageTooLargeSide,
    ImageTooManyPixels,
    ImageTooSmall,
    ScanmillError,
    TruncatedImage,
)
from pipeline.sniff import MEDIA_TYPES, ImageHeader, ImageLimits, check_size, sniff
from tests.hostile.pictures import (
    blank_png,
    bmp,
    chunk,
    oriented,
    png,
    saved,
    scene,
    segment,
    with_chunks,
    with_segments,
)

LIMITS = ImageLimits()


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "exif": oriented(6)}),
        ("PNG", {}),
        ("WEBP", {"quality": 70}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": oriented(6)}),
        ("BMP", {}),
    ],
)
@pytest.mark.parametrize("size", [(96, 64), (33, 601)])
def test_format_and_size_as_stored(form: str, options: dict[str, object], size: tuple[int, int]):
    content = saved(form, scene(*size), **options)
    header = sniff(content, len(content), LIMITS)
    assert header == ImageHeader(form.lower(), *size)
    assert MEDIA_TYPES[header.format] == f"image/{form.lower()}"


def test_old_bmp_header_and_rows_from_the_top():
    core = b"BM" + (26 + 96 * 64).to_bytes(4, "little") + bytes(4) + (26).to_bytes(4, "little")
    core += (12).to_bytes(4, "little") + bytes([32, 0, 64, 0, 1, 0, 24, 0]) + bytes(96 * 64)
    assert sniff(core, len(core)) == ImageHeader("bmp", 32, 64)
    upside = bmp(40, -64, 24, bytes(120 * 64))
    assert sniff(upside, len(upside)) == ImageHeader("bmp", 40, 64)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_part_of_a_header_says_the_format_and_leaves_the_size_open(form: str):
    content = saved(form)
    assert sniff(content[:18], len(content)) == ImageHeader(form.lower(), None, None)
    assert sniff(content[:400], len(content)).width == 96 or form == "JPEG"
    assert sniff(content[:700], len(content)).width == 96


def test_the_same_part_as_a_whole_file_is_corrupt():
    with pytest.raises(CorruptImage):
        sniff(saved("PNG")[:18], 18)


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [
        (7072, 7072, ImageTooManyPixels),
        (12_001, 2000, ImageTooLargeSide),
        (2000, 12_001, ImageTooLargeSide),
        (31, 31, ImageTooSmall),
        (31, 640, ImageTooSmall),
        (641, 32, BadAspectRatio),
        (32, 641, BadAspectRatio),
        (0, 64, CorruptImage),
        (10**9, 1, ImageTooManyPixels),
    ],
)
def test_size_limits(width: int, height: int, error: type[ScanmillError]):
    with pytest.raises(error):
        check_size(width, height, LIMITS)


@pytest.mark.parametrize(("width", "height"), [(7071, 7071), (12_000, 4166), (32, 32), (640, 32), (32, 640)])
def test_sizes_at_the_limit_are_taken(width: int, height: int):
    check_size(width, height, LIMITS)


def test_limits_can_be_set():
    content = saved("PNG", scene(96, 64))
    with pytest.raises(ImageTooLargeSide):
        sniff(content, len(content), ImageLimits(max_side=95))
    with pytest.raises(ImageTooManyPixels):
        sniff(content, len(content), ImageLimits(max_pixels=96 * 64 - 1))


def test_png_that_cannot_inflate_to_its_size():
    content = png(blank_png(64, 64)[8:33].replace((64).to_bytes(4), (6000).to_bytes(4)), b"")
    fixed = png(chunk(b"IHDR", (6000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])), bytes(100))
    with pytest.raises(CorruptImage):  # the crc is the old size's
        sniff(content, len(content))
    with pytest.raises(TruncatedImage):
        sniff(fixed, len(fixed))


def test_animation_with_one_frame_is_a_still_picture():
    still = with_chunks(saved("PNG"), chunk(b"acTL", (1).to_bytes(4) + bytes(4)))
    assert sniff(still, len(still)).width == 96
    moving = with_chunks(saved("PNG"), chunk(b"acTL", (2).to_bytes(4) + bytes(4)))
    with pytest.raises(AnimatedNotSupported):
        sniff(moving, len(moving))
    kept = BytesIO()
    scene().save(kept, "WEBP", save_all=True, append_images=[scene().rotate(9)])
    with pytest.raises(AnimatedNotSupported):
        sniff(kept.getvalue(), len(kept.getvalue()))


def test_size_behind_much_metadata_is_found():
    content = with_segments(saved("JPEG"), segment(0xE1, bytes(65_000)) * 100)
    assert sniff(content, len(content)).height == 64


@pytest.mark.parametrize("flood", [b"\xff" * 19_000_000, b"\xff\xd0" * 9_000_000, segment(0xE1, b"") * 4_000_000])
def test_flood_of_segments_costs_little(flood: bytes):
    content = with_segments(saved("JPEG"), flood)
    began = time.process_time()
    with pytest.raises(ScanmillError):
        sniff(content, len(content))
    assert time.process_time() - began < 1


HEADS = [saved(form) for form in ("JPEG", "PNG", "WEBP", "BMP")]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(HEADS), st.data())
def test_damaged_headers_raise_nothing_but_our_errors(head: bytes, data: st.DataObject):
    changed = bytearray(head)
    for place in data.draw(st.lists(st.integers(2, 200), min_size=1, max_size=6)):
        changed[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(changed)))
    content = bytes(changed[:end])
    for size in (end, len(changed)):
        try:
            header = sniff(content, size)
        except ScanmillError:
            continue
        assert header.width is None or 32 <= header.width <= 12_000


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b"BM"]), st.binary(max_size=80))
def test_random_bytes_raise_nothing_but_our_errors(magic: bytes, rest: bytes):
    content = magic + rest
    try:
        sniff(content, len(content))
    except ScanmillError:
        return


def test_needs_the_standard_library_only():
    code = "import sys, pipeline.sniff; print(sorted({n.partition('.')[0] for n in sys.modules} & {'PIL', 'numpy', 'pydantic', 'cv2'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_pillow_opens_has_the_size_we_read():
    for content in HEADS:
        with Image.open(BytesIO(content)) as picture:
            header = sniff(content, len(content))
            assert picture.size == (header.width, header.height)
