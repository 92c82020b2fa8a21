"""From a stranger's bytes to the canonical picture (Pillow only; runs in the decode child, never in a worker).

Canonical: 8-bit sRGB, upright, no alpha, no metadata, longest side bounded. Equal bytes give equal pixels.
"""

from __future__ import annotations

import mmap
import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import (
    BmpImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from pipeline.errors import (
    CorruptImage,
    DecodeMemoryLimit,
    DecoderCrash,
    ImageTooManyPixels,
    MetadataTooLarge,
    ScanmillError,
    TruncatedImage,
)
from pipeline.imaging.colour import to_eight_bit, to_srgb
from pipeline.sniff import Format, ImageLimits, check_size, sniff

# Named so that they are loaded before the first fork: the child cannot open a file, and so cannot import.
PLUGINS = (BmpImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDES_SWAPPED = (5, 6, 7, 8)
_WEBP_BYTES = 16
"""Per pixel: two canvases and the work space. libwebp fails without saying that it was for want of memory."""

_REDUCING_GAP = 3.0
"""How much larger than wanted the picture stays before the fine filter; from 3 on the shortcut cannot be seen."""


@dataclass(frozen=True, slots=True)
class Canonical:
    """RGB bytes, row by row, and where they come from. Original sizes are in pixels of the upright picture."""

    pixels: bytes
    width: int
    height: int
    format: Format
    original_width: int
    original_height: int
    orientation_applied: bool


def canonicalise(content: bytes, limits: ImageLimits, longest_side: int) -> Canonical:
    """Decode one picture. Raises the error that a client may see; anything else Pillow raises counts as corrupt."""
    # Reading limits from a request changes Pillow's own: each child decodes one picture and is gone.
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _decode(content, limits, longest_side)
    except ScanmillError:
        raise
    except Exception as error:
        raise _named(error) from error


def _decode(content: bytes, limits: ImageLimits, longest_side: int) -> Canonical:
    header = sniff(content, len(content), limits)
    if header.format == "webp" and header.width and header.height:
        _ensure_room(_WEBP_BYTES * header.width * header.height)
    # Pillow's JPEG door also lets in MPO, two JPEGs in one file, of which we take the first.
    image: Image.Image = Image.open(BytesIO(content), formats=[header.format.upper()])
    check_size(*image.size, limits)
    stored = image.size
    # JPEG can be decoded at a half, quarter or eighth for less time and memory.
    image.draft(None, (int(longest_side * _REDUCING_GAP),) * 2)
    image.load()
    orientation = orientation_of(image)
    profile = image.info.get("icc_profile")
    image = to_srgb(_bound(to_eight_bit(image), stored, longest_side), profile)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    width, height = reversed(stored) if orientation in _SIDES_SWAPPED else stored
    return Canonical(image.tobytes(), *image.size, header.format, width, height, orientation in _UPRIGHT)


def _ensure_room(size: int) -> None:
    """Raise DecodeMemoryLimit when so many bytes cannot be had; none of them is touched."""
    try:
        mmap.mmap(-1, size).close()
    except OSError as error:
        raise DecodeMemoryLimit(f"{size} bytes to decode in") from error


def _bound(image: Image.Image, stored: tuple[int, int], longest_side: int) -> Image.Image:
    """Scale down until the longest side fits. ``stored`` is the size before any drafting."""
    longest = max(stored)
    if longest <= longest_side:
        return image
    width, height = (max(1, round(side * longest_side / longest)) for side in stored)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)


def orientation_of(image: Image.Image) -> int:
    """EXIF orientation, 1 when there is none that can be read: broken metadata is no reason to refuse a picture."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever is wrong with the metadata
        return 1
    return value if isinstance(value, int) else 1


def _named(error: Exception) -> ScanmillError:
    """Our name for what Pillow raised. Its messages are the only thing that tells some of these apart."""
    text = str(error).lower()
    # An unidentified picture's message holds nothing but the address of our buffer.
    detail = type(error).__name__ if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"
    if isinstance(error, (ImportError, PermissionError)):
        # The sandbox refused something that we forgot to do before: never blame that on the picture's bytes.
        return DecoderCrash(detail)
    if isinstance(error, MemoryError) or ("memory" in text and "text chunk" not in text):
        return DecodeMemoryLimit(detail)
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return ImageTooManyPixels(detail)
    if "max_text_chunk" in text or "text chunks" in text:
        return MetadataTooLarge(detail)
    if isinstance(error, EOFError) or "truncated" in text:
        return TruncatedImage(detail)
    return CorruptImage(detail)
