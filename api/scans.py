"""Making scans, and ending them: store the picture, commit the rows, answer; the bell rings by itself."""

from __future__ import annotations

import hashlib
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify, url_for

from api.auth import principal
from api.ids import scan_id_of
from api.logs import elapsed_s
from api.options import check_options
from api.replies import address
from api.services import Services, services
from api.submission import Submission, idempotency_key, preferred_wait, read_submission
from api.waiting import ends, wait_for_end
from db import deletion, scans, views
from db.consent import Word
from db.scans import NewScan
from pipeline.contracts import ScanStatus
from pipeline.errors import AlreadyFinished, NotFinished, NotFound, StorageUnavailable
from pipeline.faults import fp


@dataclass(frozen=True, slots=True)
class Taken:
    """A scan that was accepted: all of it if it has ended, else its id and status; ``created`` false for a repeat."""

    body: dict[str, Any]
    created: bool

    @property
    def ended(self) -> bool:
        return ScanStatus(self.body["status"]).terminal


def submit() -> Response:
    """202 and where to look; 200 for a repeated Idempotency-Key, or with the finished scan when you waited for it."""
    here, wait = services(), preferred_wait()
    with holding(here, wait):
        wanted = read_submission(principal().tenant_id)
        offered(here, wanted)
        return _answer(take(here, wanted, wait), wait)


def holding(here: Services, wait: int) -> AbstractContextManager[None]:
    """A place among those who wait, for who wants to; taken before the body is read. Raises Overloaded."""
    return here.waits if wait else nullcontext()


def take(here: Services, wanted: Submission, wait: int, key: str | None = None) -> Taken:
    """Store and accept a submission of the one who asks, and wait for its end for at most ``wait`` seconds.

    ``key`` stands for the request's Idempotency-Key where a call has an id of its own.
    """
    key = key or idempotency_key()
    _store(here, wanted)
    new = NewScan(
        tenant_id=principal().tenant_id,
        system=wanted.system,
        lane=wanted.lane,
        input_kind=wanted.kind,
        input_ref=wanted.ref,
        input_sha256=wanted.sha256,
        filename=wanted.filename,
        options=wanted.options,
        idempotency_key=key,
        request_sha256=wanted.digest(),
        consent=None if wanted.training is None else Word(wanted.training, principal().key_id),
        stored_s=elapsed_s(),
        asset_id=wanted.asset_id,
        taken_at=wanted.taken_at,
    )
    return _accept(here, new, wait)


def offered(here: Services, wanted: Submission) -> None:
    """Refuse an option that the system's current pipeline does not offer, before anything is stored."""
    if wanted.options:
        with here.database.begin() as connection:
            check_options(connection, wanted.system, wanted.options)


def _store(here: Services, wanted: Submission) -> None:
    """Put an upload where the worker finds it. Should we die after this, the object belongs to nobody and is swept."""
    if wanted.content is not None:
        here.storage.put(wanted.ref, wanted.content, wanted.media_type)
        fp("api.after_store")


def _accept(here: Services, new: NewScan, wait: int) -> Taken:
    """One transaction makes the scan. Nothing after it may fail the request: the scan is there."""
    began = time.monotonic()
    with here.database.begin() as connection:
        done = scans.submit(connection, new)
        told = views.events(connection, new.tenant_id, done.scan_id)
        old = not done.created or ends(told[-1])  # ended already: equal answers were there for every stage
        whole = views.get(connection, new.tenant_id, done.scan_id) if old else None
    g.scan_id = str(done.scan_id)
    fp("api.after_commit")
    here.doorbell.ring(done.ready)
    here.metrics.submits.labels(new.system, "accepted" if done.created else "replayed").inc()
    body = whole or {"id": g.scan_id, "status": _newest_status(told)}
    if wait and not ScanStatus(body["status"]).terminal:
        body = _awaited(here, new.tenant_id, done.scan_id, wait) or body
    taken = Taken(body, done.created)
    if taken.ended and taken.created:
        here.metrics.durations.labels(new.system).observe(time.monotonic() - began)
    return taken


def _newest_status(told: list[dict[str, Any]]) -> str:
    return [str(event["data"]["status"]) for event in told if event["kind"] == "status"][-1]


def _awaited(here: Services, tenant_id: UUID, scan_id: UUID, wait: int) -> dict[str, Any] | None:
    """The scan after waiting. None if the database goes away meanwhile: the scan is accepted all the same."""
    try:
        wait_for_end(here, tenant_id, scan_id, wait)
        with here.database.begin() as connection:
            return views.get(connection, tenant_id, scan_id)
    except StorageUnavailable:
        return None


def _answer(taken: Taken, waited: int = 0) -> Response:
    response = jsonify(taken.body)
    response.status_code = 200 if taken.ended or not taken.created else 202
    response.headers["Location"] = address(url_for("get_scan", scan_id=taken.body["id"]))
    if waited:
        response.headers["Preference-Applied"] = f"wait={waited}"
    if not taken.created:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def retry(scan_id: str) -> Response:
    """202 with a new scan of the same picture and options; what ended well before is reused, not computed again."""
    here, wanted, tenant, key = services(), scan_id_of(scan_id), principal().tenant_id, idempotency_key()
    with here.database.begin() as connection:
        before = views.get(connection, tenant, wanted)
        new = scans.source(connection, tenant, wanted)
    if before is None or new is None:
        raise NotFound
    if not ScanStatus(before["status"]).terminal:
        raise NotFinished
    digest = hashlib.sha256(f"retry {wanted}".encode()).hexdigest()
    return _answer(_accept(here, replace(new, idempotency_key=key, request_sha256=digest), 0))


def cancel(scan_id: str) -> Response:
    """200 with the scan's status, for good: no stage of it starts any more. Cancelling twice is no error."""
    wanted = scan_id_of(scan_id)
    with services().database.begin() as connection:
        status = scans.cancel(connection, principal().tenant_id, wanted)
    if status is None:
        raise NotFound
    if status != ScanStatus.CANCELLED:
        raise AlreadyFinished
    return jsonify({"id": scan_id, "status": status})


def delete_scan(scan_id: str) -> Response:
    """204, for good: cancelled first if it is under way; result, artifacts and picture are removed from storage soon after.

    What another scan of yours shares stays until that one is deleted. A line of a batch stays, as `deleted`; the counts
    move there. Afterwards the id is unknown, and an Idempotency-Key that made the scan makes a new one.
    """
    wanted = scan_id_of(scan_id)
    with services().database.begin() as connection:
        if not deletion.delete(connection, principal().tenant_id, wanted, principal().key_id):
            raise NotFound
    return Response(status=204)
