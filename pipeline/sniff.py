"""What a picture's first bytes say: format, width and height, and whether we take it (stdlib only).

The API asks before it makes a scan, the decode child asks again before it lets a decoder near the bytes. Nothing here
decompresses anything; the work is bounded by the number of segments a header may have.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.errors import (
    AnimatedNotSupported,
    BadAspectRatio,
    CorruptImage,
    EmptyFile,
    FileTooLarge,
    ImageTooLargeSide,
    ImageTooManyPixels,
    ImageTooSmall,
    MetadataTooLarge,
    TruncatedImage,
    UnsupportedFormat,
)

Format = Literal["jpeg", "png", "webp", "bmp"]

MEDIA_TYPES: dict[Format, str] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "bmp": "image/bmp",
}

_MAX_SEGMENTS = 200_000
"""Segments or chunks before the picture's data; a walk over more would be work for nothing."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What we take. Sides and pixels are those of the file, before it is scaled down."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 12_000
    min_side: int = 32
    max_aspect: float = 20.0


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format and size in pixels as stored. Width and height are None when ``head`` ended before they came."""

    format: Format
    width: int | None
    height: int | None


_Size: TypeAlias = tuple[int, int]


def sniff(head: bytes, size: int, limits: ImageLimits | None = None) -> ImageHeader:
    """Read the header of a picture of ``size`` bytes of which ``head`` are the first (better: all).

    Raises EmptyFile, FileTooLarge, UnsupportedFormat, CorruptImage, TruncatedImage, AnimatedNotSupported,
    MetadataTooLarge, ImageTooManyPixels, ImageTooLargeSide, ImageTooSmall or BadAspectRatio, as far as the header
    shows it. What only decoding shows is the decode child's to say.
    """
    limits = limits or ImageLimits()
    check_bytes(size, limits)
    form = _format(head)
    found = _READERS[form](head, size, limits)
    if found is None:
        if len(head) >= size:
            raise CorruptImage(f"{form} ends inside its header")
        return ImageHeader(form, None, None)
    return ImageHeader(form, *found)


def check_bytes(size: int, limits: ImageLimits) -> None:
    """Raise EmptyFile or FileTooLarge."""
    if size == 0:
        raise EmptyFile("0 bytes")
    if size > limits.max_bytes:
        raise FileTooLarge(f"{size} bytes, at most {limits.max_bytes}")


def check_size(width: int, height: int, limits: ImageLimits) -> None:
    """Raise the code that names what is wrong with a picture of this size in pixels, the costliest first."""
    if width <= 0 or height <= 0:
        raise CorruptImage(f"{width} x {height}")
    if width * height > limits.max_pixels:
        raise ImageTooManyPixels(f"{width} x {height}, at most {limits.max_pixels} pixels")
    if max(width, height) > limits.max_side:
        raise ImageTooLargeSide(f"{width} x {height}, a side has at most {limits.max_side}")
    if min(width, height) < limits.min_side:
        raise ImageTooSmall(f"{width} x {height}, a side has at least {limits.min_side}")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise BadAspectRatio(f"{width} x {height}, at most {limits.max_aspect:g} to 1")


def _format(head: bytes) -> Format:
    if head.startswith(b"\xff\xd8"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    # "BM" alone also begins many a text; the size of the second header is one of seven numbers.
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    raise UnsupportedFormat(f"begins with {head[:4].hex()}")


# --- JPEG: walk the segments to the first frame header (SOF) --------------------------------------------------------

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_EOI, _SOS = 0xD9, 0xDA


def _jpeg(head: bytes, size: int, limits: ImageLimits) -> _Size | None:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if at + 4 > len(head):
            # "SOI EOI" is a complete file with nothing in it; anything else may go on behind ``head``.
            return None
        if head[at] != 0xFF:
            raise CorruptImage(f"no JPEG marker at byte {at}")
        marker = head[at + 1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (_EOI, _SOS):
            raise CorruptImage("JPEG data before a frame header")
        if marker in _SOF:
            return _jpeg_frame(head, at, size, limits)
        length = int.from_bytes(head[at + 2 : at + 4])
        if length < 2:
            raise CorruptImage(f"JPEG segment of length {length}")
        at += 2 + length
    raise MetadataTooLarge(f"more than {_MAX_SEGMENTS} JPEG segments")


def _jpeg_frame(head: bytes, at: int, size: int, limits: ImageLimits) -> _Size | None:
    if at + 9 > len(head):
        return None
    height, width = struct.unpack_from(">HH", head, at + 5)
    check_size(width, height, limits)
    # libjpeg pads what is missing with grey: 2.7 KB that claim 7000 x 7000 would "decode" at 800 MB. Every block of
    # 8 x 8 costs the Huffman coder at least one bit.
    blocks = -(-width // 8) * -(-height // 8)
    if (size - at) * 8 < blocks:
        raise TruncatedImage(f"{size - at} bytes cannot hold {blocks} JPEG blocks")
    return width, height


# --- PNG: IHDR, then the chunks up to the data, for the animation's acTL --------------------------------------------

_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEFLATE_RATIO = 1032
"""258 bytes for 2 bits: deflate cannot do better."""


def _png(head: bytes, size: int, limits: ImageLimits) -> _Size | None:
    if len(head) < 33:
        return None
    if head[8:16] != b"\x00\x00\x00\x0dIHDR" or zlib.crc32(head[12:29]) != int.from_bytes(head[29:33]):
        raise CorruptImage("PNG without a sound IHDR")
    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
    if depth not in _PNG_DEPTHS.get(colour, ()):
        raise CorruptImage(f"PNG of colour type {colour} with {depth} bits")
    check_size(width, height, limits)
    raw = height * (1 + -(-width * depth * _PNG_CHANNELS[colour] // 8))
    if raw > size * _DEFLATE_RATIO:
        raise TruncatedImage(f"{size} bytes cannot inflate to {raw}")
    _png_refuse_animation(head)
    return width, height


def _png_refuse_animation(head: bytes) -> None:
    at = 33
    for _ in range(_MAX_SEGMENTS):
        length, kind = int.from_bytes(head[at : at + 4]), head[at + 4 : at + 8]
        if kind in (b"IDAT", b"IEND", b""):
            return
        if kind == b"acTL" and int.from_bytes(head[at + 8 : at + 12]) > 1:
            raise AnimatedNotSupported("PNG with acTL")
        at += 12 + length
    raise MetadataTooLarge(f"more than {_MAX_SEGMENTS} PNG chunks")


# --- WebP: the first chunk is VP8, VP8L or VP8X ---------------------------------------------------------------------


def _webp(head: bytes, size: int, limits: ImageLimits) -> _Size | None:
    if len(head) < 30:
        return None
    if int.from_bytes(head[4:8], "little") + 8 > size:
        raise TruncatedImage(f"{size} bytes of a longer WebP")
    kind = head[12:16]
    if kind == b"VP8X":
        if head[20] & 0x02 and _webp_frames(head) != 1:
            raise AnimatedNotSupported("WebP with frames")
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", head, 26))
    else:
        raise CorruptImage(f"WebP begins with chunk {kind.hex()}")
    check_size(width, height, limits)
    return width, height


def _webp_frames(head: bytes) -> int:
    """Number of frames, at most 2: more than one is all we want to know."""
    at, frames = 12, 0
    for _ in range(_MAX_SEGMENTS):
        if at + 8 > len(head) or frames > 1:
            break
        frames += head[at : at + 4] == b"ANMF"
        length = int.from_bytes(head[at + 4 : at + 8], "little")
        at += 8 + length + (length & 1)
    return frames


# --- BMP: the file header, then a header that begins with its own size ----------------------------------------------

_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_BMP_DEPTHS = frozenset({1, 2, 4, 8, 16, 24, 32})
_BMP_PLAIN = frozenset({0, 3, 6})
"""Compressions that are none: the size of the data is known."""


def _bmp(head: bytes, size: int, limits: ImageLimits) -> _Size | None:
    if len(head) < 34:
        return None
    offset, kind = struct.unpack_from("<I", head, 10)[0], struct.unpack_from("<I", head, 14)[0]
    if kind == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", head, 18)
        compression = 0
    else:
        width, height, _, depth, compression = struct.unpack_from("<iiHHI", head, 18)
    if depth not in _BMP_DEPTHS:
        raise CorruptImage(f"BMP with {depth} bits")
    # A negative height says that the rows run from top to bottom.
    check_size(width, abs(height), limits)
    stride = -(-width * depth // 32) * 4
    if compression in _BMP_PLAIN and offset + stride * abs(height) > size:
        raise TruncatedImage(f"{size} bytes of a BMP of {offset + stride * abs(height)}")
    return width, abs(height)


_READERS: dict[Format, Callable[[bytes, int, ImageLimits], _Size | None]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "bmp": _bmp,
}
