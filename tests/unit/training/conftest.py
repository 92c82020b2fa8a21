"""What a run of a recipe does before it forks the processes that draw its pictures, for tests that train in this process."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import pytest


@pytest.fixture(autouse=True)
def _one_thread_for_pictures() -> Iterator[None]:
    """A forked process would wait without end for OpenCV's threads, which it does not have (`training.fitting.prepare`)."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(before)
