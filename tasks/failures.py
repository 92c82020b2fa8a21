"""Any exception → how a run ends: try again when, or an outcome with a code. Public codes only; the rest is logged."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from pipeline.contracts import RunState
from pipeline.errors import (
    ModelOutOfMemory,
    ModelRunFailed,
    OutsideError,
    ScanmillError,
    ServiceError,
    WorkerDiskFull,
)

OUTSIDE_TRIES = 4
"""Attempts on somebody else's server before its failure is the answer."""

BUG_TRIES = 2
"""Attempts on what may be our own bug: once more, in case it was memory or another passing trouble."""

LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Ruling:
    """``outcome`` READY means: again, ``retry_in_s`` from now."""

    outcome: RunState
    code: str
    retry_in_s: float = 0.0


def rule(error: Exception, attempts: int) -> Ruling:
    """How a run ends whose ``attempts``-th attempt raised ``error``."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        error = WorkerDiskFull(str(error))
    if isinstance(error, ModelOutOfMemory | ModelRunFailed) or not isinstance(error, ScanmillError):
        code = error.code if isinstance(error, ScanmillError) else ScanmillError.code
        if attempts < BUG_TRIES:
            return Ruling(RunState.READY, code, _backoff(attempts))
        return Ruling(RunState.FAILED, code)
    again = error.retryable and (
        isinstance(error, ServiceError) or (isinstance(error, OutsideError) and attempts < OUTSIDE_TRIES)
    )
    if again:
        return Ruling(RunState.READY, error.code, _backoff(attempts))
    return Ruling(error.outcome, error.code)


def _backoff(attempts: int) -> float:
    return min(LONGEST_WAIT_S, 2.0 ** min(attempts - 1, 10))
