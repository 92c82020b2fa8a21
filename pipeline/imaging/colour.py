"""Every way a file can say its colours, brought to one: 8-bit sRGB on white (Pillow only, runs in the decode child)."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageCms

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def to_eight_bit(image: Image.Image) -> Image.Image:
    """The picture in one of the modes L, LA, RGB, RGBA or CMYK, with a transparent colour turned into alpha."""
    seen_through = "transparency" in image.info
    if image.mode in _SIXTEEN_BIT:
        # Pillow would clip at 255 instead of scaling 65,535 down to it.
        return image.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if image.mode in ("1", "L"):
        return image.convert("LA" if seen_through else "L")
    if image.mode in ("P", "PA", "RGB"):
        return image.convert("RGBA" if seen_through or image.mode == "PA" else "RGB")
    if image.mode in ("LA", "RGBA", "CMYK"):
        return image
    return image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB of a picture from ``to_eight_bit``: its ICC profile applied, what is transparent made white.

    A profile that cannot be read or does not fit the picture is ignored, as browsers do: the picture then counts as
    sRGB, or as plain CMYK.
    """
    if image.mode not in ("LA", "RGBA"):
        return _apply(profile, image)
    alpha = image.getchannel("A")
    colours = _apply(profile, image.getchannel("L") if image.mode == "LA" else image.convert("RGB"))
    white = Image.new("RGB", image.size, "white")
    white.paste(colours, mask=alpha)
    return white


def _apply(profile: bytes | None, image: Image.Image) -> Image.Image:
    if profile:
        try:
            return _transform(ImageCms.ImageCmsProfile(BytesIO(profile)), image)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
            pass
    return image.convert("RGB")


def _transform(source: ImageCms.ImageCmsProfile, image: Image.Image) -> Image.Image:
    # Most photographs carry sRGB's own profile; transforming by it would cost time and move values by one.
    if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
        return image
    transform = ImageCms.buildTransform(source, _SRGB, image.mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    changed = ImageCms.applyTransform(image, transform)
    assert changed is not None  # only the in-place form answers None
    return changed
