"""How the hostile pictures are made: raw chunks and segments where Pillow would refuse to write them."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def scene(width: int = 96, height: int = 64, mode: str = "RGB") -> Image.Image:
    """A picture with edges, slopes and no symmetry; the same everywhere."""
    y, x = np.mgrid[:height, :width]
    red = (x * 255 // max(1, width - 1)).astype(np.uint8)
    green = (y * 255 // max(1, height - 1)).astype(np.uint8)
    blue = np.where((x // 7 + y // 5) % 2, 210, 40).astype(np.uint8)
    blue[: height // 3, : width // 4] = 255
    picture = Image.fromarray(np.dstack([red, green, blue]))
    if mode == "RGBA":
        picture.putalpha(Image.fromarray(np.where(x + y < width, 255, (x * 5) % 256).astype(np.uint8)))
        return picture
    if mode == "I;16":
        return Image.fromarray(red.astype(np.uint16) * 256 + green)
    return picture.convert(mode)


def saved(form: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    kept = BytesIO()
    (picture or scene()).save(kept, form, **options)
    return kept.getvalue()


# --- PNG ------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes = b"", crc: int | None = None) -> bytes:
    check = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def ihdr(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0, crc: int | None = None) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace), crc)


def png(header: bytes, raw: bytes | None, *before: bytes, after: bytes = b"") -> bytes:
    """A PNG of a header, chunks, and ``raw`` filtered lines deflated; None for no IDAT at all."""
    data = b"" if raw is None else chunk(b"IDAT", zlib.compress(raw, 9))
    return PNG_SIGNATURE + header + b"".join(before) + data + after + chunk(b"IEND")


def blank_png(width: int, height: int, depth: int = 8, colour: int = 2, *before: bytes) -> bytes:
    """A PNG of zeros, whole and right whatever its size."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    line = 1 + -(-width * depth * channels // 8)
    return png(ihdr(width, height, depth, colour), bytes(line * height), *before)


def lined_png(depth: int, colour: int, channels: int, *before: bytes, size: int = 64) -> bytes:
    """A PNG whose bytes count up, with filter 0 on every line."""
    width = size * channels * depth // 8
    lines = b"".join(b"\0" + bytes((x * 3 + y * 5) % 256 for x in range(width)) for y in range(size))
    return png(ihdr(size, size, depth, colour), lines, *before)


def with_chunks(content: bytes, *added: bytes, at: int = 33) -> bytes:
    """Chunks put in behind IHDR (byte 33)."""
    return content[:at] + b"".join(added) + content[at:]


def text_chunk(kind: bytes, keyword: bytes, content: bytes) -> bytes:
    if kind == b"zTXt":
        return chunk(kind, keyword + b"\0\0" + zlib.compress(content, 9))
    if kind == b"iTXt":
        return chunk(kind, keyword + b"\0\0\0\0\0" + content)
    return chunk(kind, keyword + b"\0" + content)


# --- JPEG -----------------------------------------------------------------------------------------------------------


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(content: bytes, *added: bytes) -> bytes:
    """Segments put in behind SOI."""
    return content[:2] + b"".join(added) + content[2:]


def sof_at(content: bytes) -> int:
    at = 2
    while content[at + 1] not in (0xC0, 0xC2):
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return at


def with_sof(content: bytes, width: int, height: int) -> bytes:
    """The frame header says another size than the data has."""
    at = sof_at(content)
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def without_segments(content: bytes, marker: int) -> bytes:
    kept, at = content[:2], 2
    while content[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        kept += b"" if content[at + 1] == marker else content[at:end]
        at = end
    return kept + content[at:]


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def tagged(tag: int, value: str) -> Image.Exif:
    exif = Image.Exif()
    exif[tag] = value
    return exif


def looping_exif() -> bytes:
    """An APP1 whose first directory is also its own next one and its own Exif directory."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return segment(0xE1, b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 8))


# --- WebP, BMP and damage -------------------------------------------------------------------------------------------


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP"
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def bmp(width: int, height: int, depth: int, data: bytes, compression: int = 0, palette: bytes = b"") -> bytes:
    offset = 54 + len(palette)
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, depth, compression, len(data), 0, 0, len(palette) // 4, 0
    )
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + palette + data


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def flipped(content: bytes, at: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 0x10
    return bytes(changed)


def scrambled(content: bytes, seed: int, count: int = 20) -> bytes:
    """``count`` bytes behind the first two replaced at random."""
    dice, changed = random.Random(seed), bytearray(content)
    for _ in range(count):
        changed[dice.randrange(2, len(content))] = dice.randrange(256)
    return bytes(changed)


# --- whole pictures of a kind -----------------------------------------------------------------------------------------


def jpeg(**options: object) -> bytes:
    return saved("JPEG", **options)


def square(side: int = 64) -> Image.Image:
    return scene(side, side)


def animation(count: int) -> list[Image.Image]:
    return [scene(64, 48).rotate(7 * place) for place in range(count)]


def gps() -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    return exif


def maker_note() -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = b"\x5a" * 60_000
    return exif


def palette_png(palette: bytes, *before: bytes) -> bytes:
    return lined_png(8, 3, 1, chunk(b"PLTE", palette), *before)


def ftyp(brand: bytes) -> bytes:
    return struct.pack(">I", 24) + b"ftyp" + brand + b"\0\0\0\0" + brand + b"mif1" + bytes(200)


def padded(content: bytes, size: int) -> bytes:
    return content + bytes(size - len(content))


def rle(width: int, height: int) -> bytes:
    """Runs of one pixel, two bytes each: the slowest thing that a BMP can say."""
    return (b"\x01\x07" * width + b"\0\0") * height + b"\0\x01"


GREYS = b"".join(bytes([level, level, level, 0]) for level in range(256))


def text_bomb() -> bytes:
    return text_chunk(b"zTXt", b"k", bytes(60_000_000))


def icc_bomb() -> bytes:
    return chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(60_000_000), 9))


def animated(form: str, count: int) -> bytes:
    first, *others = animation(count)
    return saved(form, first, save_all=True, append_images=others)


def twelve_bits(content: bytes) -> bytes:
    at = sof_at(content) + 4
    return content[:at] + b"\x0c" + content[at + 1 :]


def two_frames(content: bytes) -> bytes:
    at = sof_at(content)
    again = content[at : at + 2 + int.from_bytes(content[at + 2 : at + 4])]
    second = again[:5] + struct.pack(">HH", 9000, 9000) + again[9:]
    return content[: at + len(again)] + second + content[at + len(again) :]
