"""A small typed client of the service's HTTP interface: submit, wait, download.

Every submit carries an idempotency key, so trying again after a lost answer never makes a second scan.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from cli.client_errors import ApiError, NotThatFile, Unreachable
from cli.events import Event, read_events
from cli.scan import Artifact, Scan

_TRIES = 6  # of a service that answers but is busy; of one that does not answer:
_TRIES_UNANSWERED = 4
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE_S = 5.0
_POLL_FIRST_S, _POLL_LONGEST_S = 0.1, 2.0


class Client:
    """One service, one API key. A context manager; usable from one thread at a time.

    Raises ApiError when the service refuses and Unreachable when it does not answer within `timeout_s`.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout_s: float = 30.0) -> None:
        headers = {"User-Agent": "scanmill-client"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(
        self,
        picture: Path | bytes | None = None,
        *,
        url: str | None = None,
        object_key: str | None = None,
        filename: str | None = None,
        pipeline: str = "cat_face",
        options: Mapping[str, Any] | None = None,
        training: bool | None = None,
        asset_id: str | None = None,
        taken_at: str | None = None,
        idempotency_key: str | None = None,
        wait_s: int = 0,
    ) -> Scan:
        """Submit one picture: a local file or bytes (uploaded), or a `url` or `object_key` that the service fetches.

        `asset_id` names what it shows and `taken_at` says when it was taken, as RFC 3339 writes it; `training`: whether
        the picture may be used for that. With `wait_s` the service holds the answer until the scan has ended or that many
        seconds have passed.
        """
        if sum(source is not None for source in (picture, url, object_key)) != 1:
            raise ValueError("give exactly one of picture, url and object_key")
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        if wait_s > 0:
            headers["Prefer"] = f"wait={wait_s}"
        chosen = dict(options or {})
        about = {name: value for name, value in (("asset_id", asset_id), ("taken_at", taken_at)) if value is not None}
        consent = {} if training is None else {"consent": {"training": training}}
        if picture is None:
            source = {"image_url": url} if url is not None else {"object_key": object_key}
            body = {**source, "pipeline": pipeline, "options": chosen, **consent, **about}
            return Scan.of(self.send("POST", "/v1/scans", headers=headers, json=body, hold_s=wait_s).json())
        content = picture.read_bytes() if isinstance(picture, Path) else picture
        name = filename or (picture.name if isinstance(picture, Path) else "picture")
        texts = {"options": chosen, **consent}
        form = {"pipeline": pipeline, **{field: json.dumps(value) for field, value in texts.items()}, **about}
        files = {"file": (name, content, "application/octet-stream")}
        return Scan.of(self.send("POST", "/v1/scans", headers=headers, data=form, files=files, hold_s=wait_s).json())

    def get(self, scan_id: str) -> Scan:
        """The scan as it stands; ApiError NOT_FOUND for an unknown id."""
        return Scan.of(self.send("GET", f"/v1/scans/{quote(scan_id, safe='')}").json())

    def wait(self, scan_id: str, *, timeout_s: float | None = None) -> Scan:
        """Poll with growing pauses until the scan has ended. Raises TimeoutError."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause = _POLL_FIRST_S
        while not (scan := self.get(scan_id)).finished:
            if deadline is not None and time.monotonic() + pause > deadline:
                raise TimeoutError(f"scan {scan_id} is {scan.status} after {timeout_s:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_LONGEST_S)
        return scan

    def events(self, scan_id: str, *, after: int = 0) -> Iterator[Event]:
        """The scan's events from number `after` + 1 on, live, until it has ended; reconnects when the line drops."""
        path = f"/v1/scans/{quote(scan_id, safe='')}/events"
        return read_events(self._http, path, after)

    def cancel(self, scan_id: str) -> Scan:
        """Cancel durably: no new stage starts. ApiError ALREADY_FINISHED when it is too late."""
        self.send("POST", f"/v1/scans/{quote(scan_id, safe='')}/cancel")
        return self.get(scan_id)

    def delete(self, scan_id: str) -> None:
        """Delete a scan, its files and its picture for good."""
        self.send("DELETE", f"/v1/scans/{quote(scan_id, safe='')}")

    def consent(self, training: bool, scan_id: str | None = None) -> dict[str, Any]:
        """Allow or withdraw the use of a scan's picture for training, or of all of the tenant's; as it then stands."""
        path = "/v1/consent" if scan_id is None else f"/v1/scans/{quote(scan_id, safe='')}/consent"
        return dict(self.send("PUT", path, json={"training": training}).json())

    def tenant_consent(self) -> dict[str, Any]:
        """What the tenant says of training."""
        return dict(self.send("GET", "/v1/consent").json())

    def dataset(self, pipeline: str, query: Mapping[str, str]) -> Iterator[bytes]:
        """A dataset's bytes as they come."""
        return self.stream(f"/v1/datasets/{quote(pipeline, safe='')}", params=dict(query))

    def download(self, scan_id: str, artifact: Artifact) -> bytes:
        """An artifact's bytes, by its short-lived signed address. Raises NotThatFile when the SHA-256 differs."""
        path = f"/v1/scans/{quote(scan_id, safe='')}/artifacts/{quote(artifact.name, safe='')}"
        content = self.send("GET", path, follow_redirects=True).content
        return _checked(content, f"{artifact.name} of scan {scan_id}", artifact.sha256)

    def trend(self, asset_id: str, **query: str | None) -> dict[str, Any]:
        """How the scores of an asset went; `pipeline` and `since` narrow it."""
        given = {name: value for name, value in query.items() if value is not None}
        return dict(self.send("GET", f"/v1/assets/{quote(asset_id, safe='')}/trend", params=given).json())

    def train(
        self, recipe: str, parameters: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Ask for a training; paths in `parameters` are the service's. Needs an administrator's key, as all below."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = {"recipe": recipe, "parameters": dict(parameters)}
        return dict(self.send("POST", "/v1/training", headers=headers, json=body).json())

    def recipes(self) -> list[dict[str, Any]]:
        """What can be trained."""
        return list(self.send("GET", "/v1/training/recipes").json()["items"])

    def trainings(self, *, state: str | None = None) -> list[dict[str, Any]]:
        """The newest trainings, or those in one state."""
        query = {} if state is None else {"state": state}
        return list(self.send("GET", "/v1/training", params=query).json()["items"])

    def training(self, training_id: str, act: str | None = None) -> dict[str, Any]:
        """A training as it stands; `act` is `cancel` or `resume`, and then it is what came of that."""
        path = f"/v1/training/{quote(training_id, safe='')}"
        return dict((self.send("POST", f"{path}/{act}") if act else self.send("GET", path)).json())

    def training_file(self, training_id: str, name: str, sha256: str) -> bytes:
        """A file that a training left. Raises NotThatFile when the SHA-256 differs."""
        path = f"/v1/training/{quote(training_id, safe='')}/files/{quote(name, safe='')}"
        return _checked(self.send("GET", path, follow_redirects=True).content, name, sha256)

    def pipelines(self) -> list[dict[str, Any]]:
        """The published pipelines; empty until `control` has run once."""
        body = self.send("GET", "/v1/pipelines").json()
        return list(body.get("items", [])) if isinstance(body, dict) else list(body)

    def ready(self) -> bool:
        """Whether the service says that it can take scans; never raises."""
        try:
            return self._http.get("/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def stream(self, path: str, **request: Any) -> Iterator[bytes]:
        """A long answer's bytes as they come. A line that drops raises Unreachable: the answer is then not whole."""
        try:
            with self._http.stream("GET", path, **request) as response:
                if not response.is_success:
                    response.read()
                    raise ApiError.of(response)
                yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise Unreachable(f"the answer of {self._http.base_url} broke off: {error}") from error

    def send(self, method: str, path: str, *, hold_s: float = 0, once: bool = False, **request: Any) -> httpx.Response:
        """Send, trying again while the service is away or overloaded; ``once`` for requests that are not safe to repeat."""
        timeout = httpx.Timeout(self._http.timeout.connect, read=(self._http.timeout.read or 30.0) + hold_s)
        for attempt in range(_TRIES):
            try:
                response = self._http.request(method, path, timeout=timeout, **request)
            except httpx.TransportError as error:
                if once or attempt >= _TRIES_UNANSWERED - 1:
                    raise Unreachable(
                        f"no answer from {self._http.base_url}: {error or type(error).__name__}"
                    ) from error
                time.sleep(0.2 * 2**attempt)
                continue
            if response.is_success:
                return response
            refusal = ApiError.of(response)
            if once or attempt == _TRIES - 1 or response.status_code not in _TRY_AGAIN:
                raise refusal
            time.sleep(min(refusal.retry_after_s or 0.2 * 2**attempt, _LONGEST_PAUSE_S))
        raise AssertionError("the loop returns or raises")


def _checked(content: bytes, what: str, sha256: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise NotThatFile(f"{what} does not have the SHA-256 {sha256}")
    return content
