"""Thermograms to Scanmill from Python: health, one picture, several, and whether a webhook is Scanmill's.

pip install httpx standardwebhooks
export SCANMILL_API_URL=http://localhost:8000 SCANMILL_API_KEY=sk_…
python thermal.py health | detect PICTURE | batch PICTURE…
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from standardwebhooks import Webhook

CONNECT_S = 5
WAIT_S = 20
"""Scanmill holds an answer this long; below SCANMILL_API_MAX_WAIT_S (30) and below what proxies allow (often 60)."""
READ_S = WAIT_S + 15
TRIES = 4
BUSY = (429, 502, 503, 504)


class RefusedError(Exception):
    """Scanmill said no. ``code`` is one of docs/errors.md; ``scan_id`` is there when the picture was looked at."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            problem = response.json()
        except ValueError:  # a proxy's page
            problem = {}
        self.status, self.code = response.status_code, problem.get("code", f"HTTP_{response.status_code}")
        self.scan_id, self.request_id = problem.get("id"), problem.get("request_id")
        super().__init__(f"{self.code}: {problem.get('detail', 'no answer of Scanmill')} (request {self.request_id})")


class Thermal:
    """One Scanmill, one key. A context manager; for one thread at a time."""

    def __init__(self, url: str, key: str) -> None:
        timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def health(self) -> dict[str, Any]:
        """``models_loaded`` says whether somebody is there who runs the models."""
        return dict(self._send("GET", "/health").json())

    def detect(
        self, picture: Path, threshold: float | None = None, *, key: str | None = None, within_s: float = 120
    ) -> dict[str, Any]:
        """Score, band and boxes. The same ``key`` never makes a second scan. Raises RefusedError, TimeoutError."""
        fields = {} if threshold is None else {"threshold": str(threshold)}
        files = [("file", (picture.name, picture.read_bytes()))]
        return self._ended(self._submit("/api/v1/detect-anomaly", fields, files, key), within_s)

    def batch(self, pictures: Iterable[Path], *, key: str | None = None, within_s: float = 600) -> dict[str, Any]:
        """Up to 20 pictures: a result or a code for each, and counts that add up."""
        files = [("files[]", (picture.name, picture.read_bytes())) for picture in pictures]
        return self._ended(self._submit("/api/v1/batch-detect", {}, files, key), within_s)

    def _submit(
        self, path: str, fields: Mapping[str, str], files: list[tuple[str, tuple[str, bytes]]], key: str | None
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key or str(uuid.uuid4()), "Prefer": f"wait={WAIT_S}"}
        return self._send("POST", path, headers=headers, data=fields, files=files)

    def _ended(self, response: httpx.Response, within_s: float) -> dict[str, Any]:
        """Look again, ever less often, until the answer is there."""
        until, pause = time.monotonic() + within_s, 0.5
        while response.status_code == httpx.codes.ACCEPTED:
            if time.monotonic() + pause > until:
                raise TimeoutError(f"not within {within_s:g} s; later at {response.headers['Location']}")
            time.sleep(pause)
            pause = min(pause * 1.5, 5)
            response = self._send("GET", response.headers["Location"])
        return dict(response.json())

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Try again while Scanmill is away or busy, with pauses that double and differ between callers."""
        for attempt in range(1, TRIES + 1):
            pause = random.uniform(0.5, 1) * 0.5 * 2 ** (attempt - 1)
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError:
                if attempt == TRIES:
                    raise
            else:
                if response.is_success:
                    return response
                ended = "Location" in response.headers  # the scan's end: asked again, the same would be said
                if response.status_code not in BUSY or ended or attempt == TRIES:
                    raise RefusedError(response)
                asked = response.headers.get("Retry-After", "")
                pause = min(max(pause, float(asked) if asked.isdecimal() else 0), 10)
                if "headers" in request:
                    request["headers"]["Prefer"] = "respond-async"  # waiting may be what it is too busy for
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def event_of(body: bytes, headers: Mapping[str, str], secret: str) -> dict[str, Any]:
    """A webhook's event, once its signature and age are believed. Raises WebhookVerificationError; answer 401 then."""
    return dict(Webhook(secret).verify(body, dict(headers)))


def main() -> int:
    """Do what the command line says; 1 and the reason where Scanmill refuses."""
    verb, *names = sys.argv[1:] or ["health"]
    with Thermal(os.environ["SCANMILL_API_URL"], os.environ["SCANMILL_API_KEY"]) as thermal:
        try:
            if verb == "batch":
                told = thermal.batch(map(Path, names))
            else:
                told = thermal.detect(Path(names[0])) if verb == "detect" else thermal.health()
        except (RefusedError, httpx.TransportError, TimeoutError) as error:
            print(error, file=sys.stderr)
            return 1
    print(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
