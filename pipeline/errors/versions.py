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


class GoldensMissing(RequestError, status=409):
    """The version came without golden pictures that it could be held to."""


class GoldensNotReproduced(RequestError, status=409):
    """The version does not answer its golden pictures as it did when they were recorded."""


class LabelsSwapped(RequestError, status=409):
    """The version gives known labels another meaning."""


class LabelsChanged(RequestError, status=409):
    """The version has other labels or outputs than the current one; say so if that is meant."""


class FamilyChanged(RequestError, status=409):
    """The version has another task or other crops than the current one, or lacks a threshold."""


class RuntimesDisagree(RequestError, status=409):
    """The same network answers differently in two runtimes."""


class VerificationCrashed(RequestError, status=409):
    """The process that verified the version died."""


class VerificationTimeout(RequestError, status=409):
    """Verifying the version took too long."""
