"""What is wrong with a picture, or what it turned out to show."""

from __future__ import annotations

from pipeline.contracts import RunState
from pipeline.errors.families import InputError, OutsideError, Verdict


class EmptyFile(InputError, status=400):
    """The file is empty."""


class FileTooLarge(InputError, status=413):
    """The file is larger than allowed."""


class UnsupportedFormat(InputError, status=415):
    """The file is not a JPEG, PNG, WebP or BMP picture."""


class CorruptImage(InputError):
    """The picture cannot be decoded."""


class TruncatedImage(InputError):
    """The picture ends before its data does."""


class ImageTooSmall(InputError):
    """The picture is too small."""


class ImageTooManyPixels(InputError):
    """The picture has too many pixels."""


class ImageTooLargeSide(InputError):
    """A side of the picture is too long."""


class BadAspectRatio(InputError):
    """The picture is too narrow."""


class AnimatedNotSupported(InputError):
    """Animated pictures are not scanned."""


class MetadataTooLarge(InputError):
    """The picture carries too much metadata."""


class DecodeTimeout(InputError):
    """Decoding the picture took too long."""


class DecodeMemoryLimit(InputError):
    """Decoding the picture needs too much memory."""


class DecoderCrash(InputError):
    """The picture crashes the decoder."""


class NotRadiometric(InputError):
    """The picture carries no temperatures that we can read."""


class RadiometryUnreadable(InputError):
    """The picture's temperatures are broken, or of a kind that we cannot read."""


class InputMissing(OutsideError, retryable=True):
    """The picture is not in storage any more."""


class InputCorrupt(OutsideError, retryable=True):
    """What storage returned is not what was stored."""


class NotACat(Verdict):
    """The picture does not appear to show a cat."""


class NotAnEye(Verdict):
    """The picture does not appear to show an eye from close by."""


class NoFaceDetected(Verdict):
    """No face was found in the picture."""


class LandmarkDetectionFailed(Verdict, outcome=RunState.ABSTAINED):
    """The landmarks of the face could not be found."""


class RegionOutsideImage(Verdict, outcome=RunState.ABSTAINED):
    """The region lies beyond the edge of the picture."""


class RegionTurnedAway(Verdict, outcome=RunState.ABSTAINED):
    """The region is turned too far away from the camera."""


class RegionTooSmall(Verdict, outcome=RunState.ABSTAINED):
    """The region has too few pixels to be judged."""


class NotNeeded(Verdict, outcome=RunState.SKIPPED):
    """An earlier answer was sure enough, so this network was not asked."""


class FindingUndecided(Verdict, outcome=RunState.ABSTAINED):
    """The network whose answer decides gave none."""


class AssetTypeUnknown(Verdict, outcome=RunState.ABSTAINED):
    """No memory is set up for this type of equipment."""


class SkinNotMeasurable(Verdict, outcome=RunState.ABSTAINED):
    """The skin cannot be measured in this picture."""
