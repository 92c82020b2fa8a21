"""The hostile pictures, row by row: id, what it is, what may come of it, and how to make its bytes.

Ids never change their meaning. Every picture that ever failed in production gets a new row at the end. Expectations:
one code, or a set of codes of which each would be right.
"""

from __future__ import annotations

import base64
import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

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
from tests.hostile.pictures import (
    GREYS,
    PNG_SIGNATURE,
    animated,
    blank_png,
    bmp,
    chunk,
    cut,
    flipped,
    ftyp,
    gps,
    icc_bomb,
    ihdr,
    jpeg,
    lined_png,
    looping_exif,
    maker_note,
    oriented,
    padded,
    palette_png,
    png,
    riff,
    rle,
    saved,
    scene,
    scrambled,
    segment,
    square,
    tagged,
    text_bomb,
    text_chunk,
    twelve_bits,
    two_frames,
    vp8x,
    with_chunks,
    with_segments,
    with_sof,
    without_segments,
)

MAX_BYTES = 20 * 1024 * 1024

OK = "OK"
EMPTY, TOO_LARGE, UNSUPPORTED = EmptyFile.code, FileTooLarge.code, UnsupportedFormat.code
CORRUPT, TRUNCATED = CorruptImage.code, TruncatedImage.code
SMALL, PIXELS, SIDE, ASPECT = ImageTooSmall.code, ImageTooManyPixels.code, ImageTooLargeSide.code, BadAspectRatio.code
METADATA, ANIMATED = MetadataTooLarge.code, AnimatedNotSupported.code
OK_OR_CORRUPT = (OK, CORRUPT, TRUNCATED)
TRUNCATED_OR_CORRUPT = (TRUNCATED, CORRUPT)
ANY_SAFE = (OK, CORRUPT, TRUNCATED, UNSUPPORTED, METADATA, SMALL, PIXELS, SIDE, ASPECT, ANIMATED)


@dataclass(frozen=True)
class Row:
    """One hostile picture."""

    id: str
    note: str
    expected: tuple[str, ...]
    make: Callable[[], bytes]


def _row(id: str, note: str, expected: str | tuple[str, ...], make: Callable[[], bytes]) -> Row:
    return Row(id, note, (expected,) if isinstance(expected, str) else expected, make)


ACTL = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>'
XXE = b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SVG.replace(b"/>", b">&x;</svg>")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>1</a></x:xmpmeta>'

ROWS: tuple[Row, ...] = (
    _row("H001", "zero bytes", EMPTY, lambda: b""),
    _row("H002", "1 byte ff", UNSUPPORTED, lambda: b"\xff"),
    _row("H003", "jpeg SOI only", CORRUPT, lambda: b"\xff\xd8"),
    _row("H004", "jpeg SOI+EOI", CORRUPT, lambda: b"\xff\xd8\xff\xd9"),
    _row("H005", "png signature only", CORRUPT, lambda: PNG_SIGNATURE),
    _row("H006", "RIFF....WEBP only", CORRUPT, lambda: b"RIFF\x04\0\0\0WEBP"),
    _row("H007", "4 KiB zeros", UNSUPPORTED, lambda: bytes(4096)),
    _row("H008", "text", UNSUPPORTED, lambda: b"hello, I am a picture\n" * 20),
    _row("H009", "html", UNSUPPORTED, lambda: b"<!doctype html><img src=x onerror=alert(1)>"),
    _row("H010", "json", UNSUPPORTED, lambda: b'{"image": "cat.jpg"}'),
    _row("H011", "ELF", UNSUPPORTED, lambda: b"\x7fELF\x02\x01\x01" + bytes(200)),
    _row("H012", "pdf", UNSUPPORTED, lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(200)),
    _row("H013", "leading newline + jpeg", UNSUPPORTED, lambda: b"\n" + jpeg()),
    _row("H014", "BOM + png", UNSUPPORTED, lambda: b"\xef\xbb\xbf" + saved("PNG")),
    _row("H015", "base64 of jpeg", UNSUPPORTED, lambda: base64.b64encode(jpeg())),
    _row("H016", "gzip of jpeg", UNSUPPORTED, lambda: gzip.compress(jpeg(), mtime=0)),
    _row("H017", "exactly max bytes (png + trailing pad)", OK, lambda: padded(saved("PNG"), MAX_BYTES)),
    _row("H018", "max bytes + 1", TOO_LARGE, lambda: padded(saved("PNG"), MAX_BYTES + 1)),
    _row("H019", "png 32x32", OK, lambda: saved("PNG", square(32))),
    _row("H020", "png 31x31", SMALL, lambda: saved("PNG", square(31))),
    _row("H021", "png 1x1", SMALL, lambda: saved("PNG", square(1))),
    _row("H022", "png 0x64", CORRUPT, lambda: blank_png(0, 64)),
    _row("H023", "png 0x0", CORRUPT, lambda: blank_png(0, 0)),
    _row("H024", "png 1-bit 7071x7071", OK, lambda: blank_png(7071, 7071, 1, 0)),
    _row("H025", "png 1-bit 7072x7072", PIXELS, lambda: blank_png(7072, 7072, 1, 0)),
    _row("H026", "png 1-bit 9500x9500 (90 Mpx)", PIXELS, lambda: blank_png(9500, 9500, 1, 0)),
    _row("H027", "png hdr 14000x14000", PIXELS, lambda: png(ihdr(14000, 14000), b"\0")),
    _row("H028", "png hdr 50000x50000", PIXELS, lambda: png(ihdr(50000, 50000), b"\0")),
    _row("H029", "png hdr 2^31-1 square", PIXELS, lambda: png(ihdr(2**31 - 1, 2**31 - 1), b"\0")),
    _row("H030", "png hdr 2^32-1 x 64", PIXELS, lambda: png(ihdr(2**32 - 1, 64), b"\0")),
    _row("H031", "png 1 x 100000000", PIXELS, lambda: png(ihdr(1, 100_000_000), b"\0")),
    _row("H032", "png 12001 x 64", SIDE, lambda: blank_png(12001, 64)),
    _row("H033", "png 2000x32 (aspect 62)", ASPECT, lambda: blank_png(2000, 32)),
    _row("H034", "jpeg SOF 65535x65535", PIXELS, lambda: with_sof(jpeg(), 65535, 65535)),
    _row("H035", "jpeg SOF 0x0", CORRUPT, lambda: with_sof(jpeg(), 0, 0)),
    _row(
        "H036", "jpeg SOF 7000x7000, data for 64x64", TRUNCATED, lambda: with_sof(saved("JPEG", square()), 7000, 7000)
    ),
    _row("H037", "jpeg SOF 640x640, data for 64x64", ANY_SAFE, lambda: with_sof(saved("JPEG", square()), 640, 640)),
    _row("H038", "genuine flat jpeg 4000x4000", OK, lambda: saved("JPEG", Image.new("RGB", (4000, 4000), "teal"))),
    _row("H039", "webp VP8X canvas 16384x16384", PIXELS, lambda: riff(vp8x(16384, 16384), (b"VP8L", bytes(40)))),
    _row("H040", "png IDAT inflates to 300 MB", OK_OR_CORRUPT, lambda: png(ihdr(64, 64), bytes(300_000_000))),
    _row("H041", "png 5000x5000 rgb zeros", OK, lambda: blank_png(5000, 5000)),
    _row(
        "H042",
        "png interlaced 6000x6000, data of a straight one",
        TRUNCATED_OR_CORRUPT,
        lambda: png(ihdr(6000, 6000, interlace=1), bytes(6000 * 18001)),
    ),
    _row("H043", "JPEG mode L", OK, lambda: saved("JPEG", scene(mode="L"))),
    _row("H044", "JPEG mode CMYK", OK, lambda: saved("JPEG", scene(mode="CMYK"))),
    _row("H045", "PNG mode L", OK, lambda: saved("PNG", scene(mode="L"))),
    _row("H046", "PNG mode LA", OK, lambda: saved("PNG", scene(mode="RGBA").convert("LA"))),
    _row("H047", "PNG mode P", OK, lambda: saved("PNG", scene(mode="P"))),
    _row("H048", "PNG mode RGBA", OK, lambda: saved("PNG", scene(mode="RGBA"))),
    _row("H049", "PNG mode 1", OK, lambda: saved("PNG", scene(mode="1"))),
    _row("H050", "PNG mode I;16", OK, lambda: saved("PNG", scene(mode="I;16"))),
    _row("H051", "WEBP mode RGBA", OK, lambda: saved("WEBP", scene(mode="RGBA"))),
    _row("H052", "png 16-bit rgb", OK, lambda: lined_png(16, 2, 3)),
    _row("H053", "png 16-bit rgba", OK, lambda: lined_png(16, 6, 4)),
    _row("H054", "png palette index out of range", OK, lambda: palette_png(bytes([255, 0, 0, 0, 0, 255]))),
    _row("H055", "png palette without PLTE", OK_OR_CORRUPT, lambda: lined_png(8, 3, 1)),
    _row("H056", "png tRNS alpha 0 everywhere", OK, lambda: palette_png(bytes(768), chunk(b"tRNS", bytes(256)))),
    _row("H057", "progressive jpeg", OK, lambda: jpeg(progressive=True)),
    _row("H058", "jpeg 4:2:0 odd size", OK, lambda: saved("JPEG", scene(101, 67), subsampling="4:2:0")),
    _row("H059", "jpeg quality 1", OK, lambda: jpeg(quality=1)),
    *(
        _row(f"H{60 + place:03}", f"exif orientation {value}", OK, lambda value=value: jpeg(exif=oriented(value)))
        for place, value in enumerate((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 65535))
    ),
    _row("H072", "webp lossless", OK, lambda: saved("WEBP", lossless=True)),
    _row("H073", "icc profile garbage 64 KiB", OK, lambda: jpeg(icc_profile=b"\xa5" * 65_000)),
    _row("H074", "png gamma chunk 0", OK, lambda: with_chunks(saved("PNG"), chunk(b"gAMA", bytes(4)))),
    _row("H075", "jpeg cut at 25%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("JPEG", scene(400, 300)), 0.25)),
    _row("H076", "jpeg cut at 50%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("JPEG", scene(400, 300)), 0.5)),
    _row("H077", "jpeg cut at 75%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("JPEG", scene(400, 300)), 0.75)),
    _row("H078", "jpeg last 2 bytes missing", TRUNCATED_OR_CORRUPT, lambda: jpeg()[:-2]),
    _row("H079", "jpeg bit flip in header", ANY_SAFE, lambda: flipped(jpeg(), 30)),
    _row("H080", "jpeg bit flip mid", ANY_SAFE, lambda: flipped(jpeg(), len(jpeg()) // 2)),
    _row("H081", "png cut at 25%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("PNG"), 0.25)),
    _row("H082", "png cut at 50%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("PNG"), 0.5)),
    _row("H083", "png cut at 75%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("PNG"), 0.75)),
    _row("H084", "png last 2 bytes missing", OK_OR_CORRUPT, lambda: saved("PNG")[:-2]),
    _row("H085", "png bit flip in header", ANY_SAFE, lambda: flipped(saved("PNG"), 18)),
    _row("H086", "png bit flip mid", ANY_SAFE, lambda: flipped(saved("PNG"), len(saved("PNG")) // 2)),
    _row("H087", "webp cut at 25%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("WEBP"), 0.25)),
    _row("H088", "webp cut at 50%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("WEBP"), 0.5)),
    _row("H089", "webp cut at 75%", TRUNCATED_OR_CORRUPT, lambda: cut(saved("WEBP"), 0.75)),
    _row("H090", "webp last 2 bytes missing", TRUNCATED_OR_CORRUPT, lambda: saved("WEBP")[:-2]),
    _row("H091", "webp bit flip in header", ANY_SAFE, lambda: flipped(saved("WEBP"), 23)),
    _row("H092", "webp bit flip mid", ANY_SAFE, lambda: flipped(saved("WEBP"), len(saved("WEBP")) // 2)),
    _row("H093", "png bad IDAT crc", OK_OR_CORRUPT, lambda: flipped(saved("PNG"), -14)),
    _row("H094", "png bad IHDR crc", CORRUPT, lambda: png(ihdr(64, 64, crc=1), bytes(64 * 193))),
    _row("H095", "png no IDAT", TRUNCATED_OR_CORRUPT, lambda: png(ihdr(64, 64), None)),
    _row("H096", "png IDAT empty", TRUNCATED_OR_CORRUPT, lambda: png(ihdr(64, 64), None, chunk(b"IDAT"))),
    _row("H097", "png chunk length 0xffffffff", OK_OR_CORRUPT, lambda: saved("PNG")[:-12] + b"\xff" * 4 + b"zzZz"),
    _row("H098", "png bit depth 3", CORRUPT, lambda: png(ihdr(64, 64, depth=3), bytes(64 * 193))),
    _row("H099", "png colour type 5", CORRUPT, lambda: png(ihdr(64, 64, colour=5), bytes(64 * 193))),
    _row("H100", "jpeg missing EOI", TRUNCATED_OR_CORRUPT, lambda: jpeg()[:-2]),
    _row("H101", "jpeg missing DHT", OK_OR_CORRUPT, lambda: without_segments(jpeg(), 0xC4)),
    _row("H102", "jpeg segment length 0", ANY_SAFE, lambda: with_segments(jpeg(), b"\xff\xe3\0\0")),
    *(
        _row(
            f"H{103 + seed}", f"jpeg 20 random bytes, dice {seed}", ANY_SAFE, lambda seed=seed: scrambled(jpeg(), seed)
        )
        for seed in range(8)
    ),
    _row("H111", "jpeg + zip trailer", OK, lambda: jpeg() + b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18)),
    _row("H112", "jpeg comment with <script>", OK, lambda: jpeg(comment=b"<script>alert(1)</script>")),
    _row("H113", "jpeg comment with php", OK, lambda: jpeg(comment=b"<?php system($_GET[0]); ?>")),
    _row("H114", "two jpegs concatenated", OK, lambda: jpeg() + saved("JPEG", square())),
    _row("H115", "png + jpeg appended", OK, lambda: saved("PNG") + jpeg()),
    _row("H116", "webp + trailing junk", OK, lambda: saved("WEBP", quality=80) + b"\xee" * 999),
    _row("H117", "exif with GPS", OK, lambda: jpeg(exif=gps())),
    _row("H118", "exif description log injection", OK, lambda: jpeg(exif=tagged(0x010E, "x\r\nERROR root: \x1b[31m"))),
    _row("H119", "exif artist =cmd()", OK, lambda: jpeg(exif=tagged(0x013B, "=cmd|' /C calc'!A0"))),
    _row("H120", "png zTXt 60 MB in 61 KB", METADATA, lambda: with_chunks(saved("PNG"), text_bomb())),
    _row(
        "H121",
        "png 2000 zTXt chunks",
        OK,
        lambda: with_chunks(saved("PNG"), text_chunk(b"zTXt", b"k", bytes(900)) * 2000),
    ),
    _row("H122", "png iTXt xmp", OK, lambda: with_chunks(saved("PNG"), text_chunk(b"iTXt", b"XML:com.adobe.xmp", XMP))),
    _row(
        "H123", "png 50000 tEXt chunks", OK, lambda: with_chunks(saved("PNG"), text_chunk(b"tEXt", b"k", b"v") * 50_000)
    ),
    _row("H124", "jpeg 200 APP1 segments", OK, lambda: with_segments(jpeg(), segment(0xE1, b"junk" * 250) * 200)),
    _row("H125", "exif 60 KiB maker note", OK, lambda: jpeg(exif=maker_note())),
    _row("H126", "exif self-referencing IFD", OK, lambda: with_segments(jpeg(), looping_exif())),
    _row("H127", "animated gif (renamed .png)", UNSUPPORTED, lambda: animated("GIF", 5)),
    _row("H128", "apng 2 frames", ANIMATED, lambda: animated("PNG", 2)),
    _row("H129", "apng 50 frames", ANIMATED, lambda: animated("PNG", 50)),
    _row("H130", "animated webp 50", ANIMATED, lambda: animated("WEBP", 50)),
    _row("H131", "mpo 2 images", OK, lambda: animated("MPO", 2)),
    _row("H132", "png acTL claims 2^31-1 frames", ANIMATED, lambda: with_chunks(saved("PNG"), ACTL)),
    _row("H133", "valid GIF", UNSUPPORTED, lambda: saved("GIF")),
    # The table that these ids come from was drawn up before BMP was taken in; the house plan takes it.
    _row("H134", "valid BMP", OK, lambda: saved("BMP")),
    _row("H135", "valid TIFF", UNSUPPORTED, lambda: saved("TIFF")),
    _row("H136", "valid ICO", UNSUPPORTED, lambda: saved("ICO", square())),
    _row("H137", "valid PPM", UNSUPPORTED, lambda: saved("PPM")),
    _row("H138", "valid TGA", UNSUPPORTED, lambda: saved("TGA")),
    _row("H139", "valid PCX", UNSUPPORTED, lambda: saved("PCX")),
    _row("H140", "valid JPEG2000", UNSUPPORTED, lambda: saved("JPEG2000")),
    _row("H141", "valid AVIF", UNSUPPORTED, lambda: saved("AVIF")),
    _row("H142", "valid DDS", UNSUPPORTED, lambda: saved("DDS")),
    _row("H143", "valid SGI", UNSUPPORTED, lambda: saved("SGI")),
    _row("H144", "valid EPS", UNSUPPORTED, lambda: saved("EPS")),
    _row("H145", "valid PDF", UNSUPPORTED, lambda: saved("PDF")),
    _row("H146", "IM", UNSUPPORTED, lambda: b"Image type: RGB\r\nName: x\r\nImage size (x*y): 64*64\r\n\x1a"),
    _row("H147", "multi-page tiff", UNSUPPORTED, lambda: animated("TIFF", 3)),
    _row("H148", "svg", UNSUPPORTED, lambda: SVG),
    _row("H149", "svg with xxe", UNSUPPORTED, lambda: XXE),
    _row("H150", "heic ftyp", UNSUPPORTED, lambda: ftyp(b"heic")),
    _row("H151", "avif ftyp", UNSUPPORTED, lambda: ftyp(b"avif")),
    _row("H152", "psd", UNSUPPORTED, lambda: b"8BPS\0\x01" + bytes(300)),
    _row("H153", "postscript", UNSUPPORTED, lambda: b"%!PS-Adobe-3.0\nshowpage\n"),
    _row("H154", "fpx ole", UNSUPPORTED, lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    _row("H155", "jxl", UNSUPPORTED, lambda: b"\xff\x0a" + bytes(100)),
    _row("H156", "bmp rows missing", TRUNCATED, lambda: saved("BMP")[:-500]),
    _row("H157", "bmp from top to bottom", OK, lambda: bmp(64, -64, 24, bytes(range(192)) * 64)),
    _row("H158", "bmp in runs", OK, lambda: bmp(64, 64, 8, rle(64, 64), 1, GREYS)),
    _row("H159", "text that begins with BM", UNSUPPORTED, lambda: b"BMW 320d, one owner, no rust at all\n" * 9),
    _row("H160", "bmp header 20000x20000", PIXELS, lambda: bmp(20000, 20000, 24, bytes(64))),
    _row("H161", "bmp 31x64", SMALL, lambda: bmp(31, 64, 24, bytes(96 * 64))),
    _row("H162", "bmp runs that stop at once", OK_OR_CORRUPT, lambda: bmp(5000, 5000, 8, b"\0\x01", 1, GREYS)),
    _row("H163", "jpeg 300000 fill bytes", METADATA, lambda: with_segments(jpeg(), b"\xff" * 300_000)),
    _row("H164", "png 300000 empty chunks", METADATA, lambda: with_chunks(saved("PNG"), chunk(b"teSt") * 300_000)),
    _row("H165", "jpeg 12 bits", CORRUPT, lambda: twelve_bits(jpeg())),
    _row("H166", "webp ANIM flag, no frames", ANIMATED, lambda: riff(vp8x(64, 64, 2), (b"ANIM", bytes(6)))),
    _row("H167", "jpeg two frame headers, the second 9000x9000", ANY_SAFE, lambda: two_frames(jpeg())),
    _row("H168", "icc bomb: iCCP 60 MB in 61 KB", METADATA, lambda: with_chunks(saved("PNG"), icc_bomb())),
)
