"""What can go wrong between a client and the service."""

from __future__ import annotations

from typing import Any

import httpx


class ApiError(Exception):
    """The service refused: a stable `code`, the HTTP `status`, and a sentence."""

    def __init__(self, code: str, status: int, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code} ({status}): {detail}" if detail else f"{code} ({status})")
        self.code = code
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, response: httpx.Response) -> ApiError:
        """Read problem+json; anything else (a proxy's page) becomes HTTP_<status>."""
        try:
            body = response.json()
        except ValueError:
            body = None
        problem: dict[str, Any] = body if isinstance(body, dict) else {}
        code = str(problem.get("code") or f"HTTP_{response.status_code}")
        detail = str(problem.get("detail") or problem.get("title") or response.reason_phrase)
        fields = [f"{entry.get('field')} {entry.get('reason')}" for entry in problem.get("errors") or ()]
        detail = f"{detail} ({'; '.join(fields)})" if fields else detail
        return cls(code, response.status_code, detail, _seconds(response.headers.get("Retry-After")))


class Unreachable(Exception):
    """The service did not answer at all."""


class NotThatFile(Exception):
    """A downloaded file does not have the SHA-256 that the scan names."""


def _seconds(value: str | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None
