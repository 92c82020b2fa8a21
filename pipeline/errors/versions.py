"""Model versions that are not taken, and wishes about them that cannot be met. No scan is touched by any of these."""

from __future__ import annotations

from pipeline.errors.families import RequestError


class AlreadyCurrent(RequestError, status=409):
    """That version is the current one already."""


class NoEarlierVersion(RequestError, status=409):
    """There is no earlier version to go back to."""


class AmbiguousVersion(RequestError, status=409):
    """Several versions go by that name; give the digest."""


class VersionTaken(RequestError, status=409):
    """Another network has that name and version already."""


class VersionRefused(RequestError, status=409):
    """The model version was not taken; the one before stays."""


class GoldensMissing(VersionRefused):
    """The version came without golden pictures that it could be held to."""


class GoldensNotReproduced(VersionRefused):
    """The version does not answer its golden pictures as it did when they were recorded."""


class LabelsSwapped(VersionRefused):
    """The version gives known labels another meaning."""


class LabelsChanged(VersionRefused):
    """The version has other labels or outputs than the current one; say so if that is meant."""


class FamilyChanged(VersionRefused):
    """The version is of another kind than the current one: another task, other crops, or thresholds that are missing."""


class RuntimesDisagree(VersionRefused):
    """The same network answers differently in two runtimes."""


class VerificationCrashed(VersionRefused):
    """The process that verified the version died."""


class VerificationTimeout(VersionRefused):
    """Verifying the version took too long."""
