"""The families of errors: who is at fault, and so which status, outcome and second try an error gets (stdlib only)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from pipeline.contracts import RunState


class ScanmillError(Exception):
    """Something went wrong on our side."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    outcome: ClassVar[RunState] = RunState.FAILED
    data: Mapping[str, Any] = MappingProxyType({})
    """Numbers behind the error that belong to the result (JSON): a verdict says how sure it is."""

    def __init_subclass__(
        cls, status: int | None = None, retryable: bool | None = None, outcome: RunState | None = None
    ) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).upper()
        cls.status = cls.status if status is None else status
        cls.retryable = cls.retryable if retryable is None else retryable
        cls.outcome = cls.outcome if outcome is None else outcome

    @property
    def public_message(self) -> str:
        return (type(self).__doc__ or "").strip().splitlines()[0]


class RequestError(ScanmillError, status=400):
    """The request cannot be accepted."""


class InputError(ScanmillError, status=422, outcome=RunState.REJECTED):
    """The picture cannot be scanned."""


class Verdict(ScanmillError, status=422, outcome=RunState.REJECTED):
    """The picture was scanned and ends here."""

    def __init__(self, message: str = "", data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.data = dict(data or {})


class OutsideError(ScanmillError, status=502):
    """Somebody else's server did not deliver the picture."""


class ServiceError(ScanmillError, status=503, retryable=True):
    """A service we depend on is away."""
