"""Why a scan has no answer, for the calls that give one or a problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.contracts import RunState
from pipeline.errors import ScanmillError, taxonomy

_TROUBLE = frozenset({RunState.REJECTED, RunState.ABSTAINED, RunState.FAILED, RunState.CANCELLED})


def error_of(scan: Mapping[str, Any]) -> ScanmillError:
    """The error of the first stage of an ended scan that did not end well."""
    code = next((stage["code"] for stage in scan["stages"] if stage["state"] in _TROUBLE and stage["code"]), None)
    return taxonomy().get(code or scan["code"], ScanmillError)()
