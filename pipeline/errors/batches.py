"""Refusals that concern a batch as a whole. No scan is touched by any of these."""

from __future__ import annotations

from pipeline.errors.families import RequestError


class BatchClosed(RequestError, status=409):
    """The batch takes no more items."""


class SourceMissing(RequestError, status=409):
    """The folder to be listed is not there, or nothing lies under the prefix."""


class SourceRefused(RequestError, status=409):
    """The folder or prefix to be listed may not be listed."""


class BatchEnded(RequestError, status=409):
    """The batch has ended already."""
