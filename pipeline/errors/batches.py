"""Refusals that concern a batch as a whole. No scan is touched by any of these."""

from __future__ import annotations

from pipeline.errors.families import RequestError


class BatchClosed(RequestError, status=409):
    """The batch takes no more items."""


class BatchEnded(RequestError, status=409):
    """The batch has ended already."""
