"""What an exception means for a run: again and when, or over and how."""

from __future__ import annotations

import errno

import pytest

from pipeline.contracts import RunState
from pipeline.errors import (
    CorruptImage,
    InputMissing,
    LandmarkDetectionFailed,
    ModelOutOfMemory,
    ModelOutputInvalid,
    ModelRunFailed,
    NotACat,
    ScanmillError,
    ServiceError,
    StageTimeout,
    StorageUnavailable,
    UrlHttpStatus,
    UrlTimeout,
    taxonomy,
)
from tasks.failures import BUG_TRIES, LONGEST_WAIT_S, OUTSIDE_TRIES, Ruling, rule

REJECTED, FAILED, READY = RunState.REJECTED, RunState.FAILED, RunState.READY


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        (NotACat(), 1, Ruling(REJECTED, "NOT_A_CAT")),
        (LandmarkDetectionFailed(), 1, Ruling(RunState.ABSTAINED, "LANDMARK_DETECTION_FAILED")),
        (CorruptImage(), 1, Ruling(REJECTED, "CORRUPT_IMAGE")),
        (ModelOutputInvalid(), 1, Ruling(FAILED, "MODEL_OUTPUT_INVALID")),
        (ModelOutOfMemory(), 1, Ruling(READY, "MODEL_OUT_OF_MEMORY", 1.0)),
        (ModelOutOfMemory(), BUG_TRIES, Ruling(FAILED, "MODEL_OUT_OF_MEMORY")),
        (ModelRunFailed(), 1, Ruling(READY, "MODEL_RUN_FAILED", 1.0)),
        (ModelRunFailed(), BUG_TRIES, Ruling(FAILED, "MODEL_RUN_FAILED")),
        (StageTimeout(), 1, Ruling(FAILED, "STAGE_TIMEOUT")),
        (UrlTimeout(), 1, Ruling(READY, "URL_TIMEOUT", 1.0)),
        (UrlTimeout(), OUTSIDE_TRIES - 1, Ruling(READY, "URL_TIMEOUT", 4.0)),
        (UrlTimeout(), OUTSIDE_TRIES, Ruling(FAILED, "URL_TIMEOUT")),
        (UrlHttpStatus(), 1, Ruling(FAILED, "URL_HTTP_STATUS")),
        (InputMissing(), OUTSIDE_TRIES, Ruling(FAILED, "INPUT_MISSING")),
        (StorageUnavailable(), 1, Ruling(READY, "STORAGE_UNAVAILABLE", 1.0)),
        (StorageUnavailable(), 99, Ruling(READY, "STORAGE_UNAVAILABLE", LONGEST_WAIT_S)),
        (StorageUnavailable(), 5_000, Ruling(READY, "STORAGE_UNAVAILABLE", LONGEST_WAIT_S)),
        (OSError(errno.ENOSPC, "full"), 1, Ruling(READY, "WORKER_DISK_FULL", 1.0)),
        (OSError(errno.EDQUOT, "quota"), 3, Ruling(READY, "WORKER_DISK_FULL", 4.0)),
        (OSError(errno.EIO, "disk"), 1, Ruling(READY, "INTERNAL_ERROR", 1.0)),
        (ValueError("secret path /etc"), 1, Ruling(READY, "INTERNAL_ERROR", 1.0)),
        (ValueError("secret path /etc"), BUG_TRIES, Ruling(FAILED, "INTERNAL_ERROR")),
        (MemoryError(), BUG_TRIES, Ruling(FAILED, "INTERNAL_ERROR")),
        (ScanmillError("bare"), 1, Ruling(FAILED, "INTERNAL_ERROR")),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_table(error: Exception, attempts: int, expected: Ruling) -> None:
    assert rule(error, attempts) == expected


@pytest.mark.parametrize("kind", taxonomy().values(), ids=lambda kind: kind.code)
def test_every_known_error_ends_with_its_own_code_and_only_trouble_of_services_never_ends(
    kind: type[ScanmillError],
) -> None:
    late = rule(kind("what the log may know"), 1_000)
    assert late.code == kind.code
    assert (late.outcome is READY) == (issubclass(kind, ServiceError) and kind.retryable)
    assert 0 <= late.retry_in_s <= LONGEST_WAIT_S


def test_waits_grow_and_are_bounded() -> None:
    waits = [rule(StorageUnavailable(), n).retry_in_s for n in range(1, 40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (1.0, LONGEST_WAIT_S)
