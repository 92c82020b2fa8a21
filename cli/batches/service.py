"""The service's batches, for the verbs: a few requests in the words of `docs/batches.md`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli.batches.sources import Line
from cli.client import Client

Json = dict[str, Any]
DIFF_S = 600.0
"""Seconds that a comparison may take."""
ENDED = frozenset({"succeeded", "partial", "failed", "cancelled"})


class Batches:
    """Batches of one service. Every request is safe to repeat, so a lost answer doubles nothing."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def client(self) -> Client:
        """For what a batch's scans have."""
        return self._client

    def open(self, **given: Any) -> Json:
        """An empty batch that takes items."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        body = {name: value for name, value in given.items() if value is not None}
        return dict(self._client.send("POST", "/v1/batches", headers=headers, json=body).json())

    def upload(self, batch_id: str, content: bytes, line: Line) -> Json:
        """One picture's bytes, with what its line says of it; what became of it."""
        form = {"custom_id": line.custom_id, **line.about}
        form |= {"options": json.dumps(dict(line.options)), "fields": json.dumps(dict(line.fields))}
        form |= {"consent": json.dumps(dict(line.consent))} if line.consent else {}
        files = {"file": (Path(line.custom_id).name[-255:] or "picture", content, "application/octet-stream")}
        return dict(self._client.send("POST", f"{_path(batch_id)}/items", data=form, files=files).json())

    def refer(self, batch_id: str, items: Sequence[Json]) -> Json:
        """Pictures that the service fetches, up to 1,000 at once; what became of them."""
        return dict(self._client.send("POST", f"{_path(batch_id)}/items", json={"items": list(items)}).json())

    def get(self, batch_id: str) -> Json:
        """The batch with its counts, rate and time left."""
        return dict(self._client.send("GET", _path(batch_id)).json())

    def act(self, batch_id: str, verb: str, **body: Any) -> Json:
        """`finalise`, `pause`, `resume`, `cancel`, `retry` or `reprocess`."""
        path = f"{_path(batch_id)}/{verb}"
        if verb not in ("retry", "reprocess"):
            return dict(self._client.send("POST", path).json())
        given = {name: value for name, value in body.items() if value is not None}
        headers = {"Idempotency-Key": str(uuid.uuid4())} if verb == "reprocess" else {}
        return dict(self._client.send("POST", path, json=given, headers=headers).json())

    def reprocess_plan(self, batch_id: str, **body: Any) -> Json:
        """What `reprocess` with this body would compute; nothing is queued."""
        given = {name: value for name, value in body.items() if value is not None} | {"dry_run": True}
        return dict(self._client.send("POST", f"{_path(batch_id)}/reprocess", json=given, hold_s=DIFF_S).json())

    def prioritise(self, batch_id: str, priority: int) -> Json:
        """Another place among the tenant's batches."""
        return dict(self._client.send("PATCH", _path(batch_id), json={"priority": priority}).json())

    def listing(self, limit: int) -> list[Json]:
        """The newest batches."""
        return list(self._client.send("GET", "/v1/batches", params={"limit": limit}).json()["items"])

    def errors(self, batch_id: str, **which: Any) -> Json:
        """The first page of lines that did not succeed, and the counts by code."""
        return dict(self._client.send("GET", f"{_path(batch_id)}/errors", params=_query(which)).json())

    def diff(self, before: str, after: str, **limits: float | None) -> Json:
        """What changed from one to the other."""
        path = f"{_path(before)}/diff/{quote(after, safe='')}"
        return dict(self._client.send("GET", path, params=_query(limits), hold_s=DIFF_S).json())

    def diff_lines(self, before: str, after: str) -> Iterator[bytes]:
        """Every changed line as CSV, as it comes."""
        return self._client.stream(f"{_path(before)}/diff/{quote(after, safe='')}/lines")

    def lines(self, batch_id: str) -> Iterator[Json]:
        """Every line of a batch, one at a time."""
        rest = b""
        for part in self.export(batch_id):
            *whole, rest = (rest + part).split(b"\n")
            yield from (json.loads(text) for text in whole)

    def export(self, batch_id: str, **query: Any) -> Iterator[bytes]:
        """The export's bytes as they come."""
        return self._client.stream(f"{_path(batch_id)}/export", params=_query(query))

    def artifacts(self, batch_id: str, names: Sequence[str] = ()) -> Iterator[Json]:
        """Every line in its order with its files: all, or those of these names."""
        query: Json | None = {"name": list(names), "limit": 200}
        while query is not None:
            page = self._client.send("GET", f"{_path(batch_id)}/artifacts", params=_query(query)).json()
            yield from page["items"]
            query = {**query, "cursor": page["next_cursor"]} if page["next_cursor"] else None

    def copy_artifacts(self, batch_id: str, prefix: str, names: Sequence[str] = ()) -> Iterator[Json]:
        """Copy every line's files, or those of these names, below a prefix of the service's storage; page by page."""
        body: Json | None = {"prefix": prefix, "names": list(names)}
        while body is not None:
            page = dict(self._client.send("POST", f"{_path(batch_id)}/artifacts", json=body, hold_s=DIFF_S).json())
            yield page
            body = {**body, "cursor": page["next_cursor"]} if page["next_cursor"] else None

    def pack(self, batch_id: str) -> Iterator[bytes]:
        """The scanpack's bytes as they come."""
        return self._client.stream(f"{_path(batch_id)}/scanpack")


def _path(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"


def _query(given: Mapping[str, Any]) -> Json:
    return {name: value for name, value in given.items() if value not in (None, [])}
