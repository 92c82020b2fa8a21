"""What a picture's header says of its colours beyond 8-bit RGB (stdlib only, nothing is decompressed).

Only for bytes that ``pipeline.sniff`` took: the structure up to the picture's data is known to be in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.sniff import Format

_MAX_SEGMENTS = 200_000
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def colour_modes(head: bytes, form: Format) -> frozenset[str]:
    """Of `grey`, `palette`, `cmyk`, `alpha` and `deep` (more than 8 bits a channel) what holds; none for plain RGB.

    Such pictures are taken as others are: alpha is laid on white, CMYK and deep channels become 8-bit sRGB.
    """
    return frozenset(_READERS[form](head))


def _jpeg(head: bytes) -> Iterator[str]:
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if at + 10 > len(head):
            return
        marker = head[at + 1]
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
        elif marker in _SOF:
            if head[at + 4] > 8:
                yield "deep"
            yield from {1: ["grey"], 4: ["cmyk"]}.get(head[at + 9], [])
            return
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4])


def _png(head: bytes) -> Iterator[str]:
    depth, colour = head[24], head[25]
    if depth == 16:
        yield "deep"
    if colour in (0, 4):
        yield "grey"
    if colour == 3:
        yield "palette"
    if colour in (4, 6) or _png_transparency(head):
        yield "alpha"


def _png_transparency(head: bytes) -> bool:
    """Whether a tRNS chunk stands before the data."""
    at = 33
    for _ in range(_MAX_SEGMENTS):
        kind = head[at + 4 : at + 8]
        if kind in (b"tRNS", b"IDAT", b"IEND", b""):
            return kind == b"tRNS"
        at += 12 + int.from_bytes(head[at : at + 4])
    return False


def _webp(head: bytes) -> Iterator[str]:
    kind = head[12:16]
    if (kind == b"VP8X" and head[20] & 0x10) or (kind == b"VP8L" and head[24] & 0x10):
        yield "alpha"


def _bmp(head: bytes) -> Iterator[str]:
    """Of BMP's alpha masks, which few programs write, nothing is said."""
    depth = int.from_bytes(head[24:26] if head[14] == 12 else head[28:30], "little")
    if depth <= 8:
        yield "palette"


_READERS: dict[Format, Callable[[bytes], Iterator[str]]] = {"jpeg": _jpeg, "png": _png, "webp": _webp, "bmp": _bmp}
