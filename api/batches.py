"""Opening batches, filling them, and steering them. What is asked for is a row before it is answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeVar
from uuid import UUID

from flask import Response, jsonify, request, url_for

from api.auth import principal
from api.batch_planning import reprocess_plan
from api.batch_sources import check_since, read_source
from api.fields import (
    ABOUT,
    about_of,
    moment_of,
    number_of,
    object_in,
    only_known,
    options_of,
    system_of,
    text_of,
    training_of,
)
from api.ids import uuid_of
from api.json_body import read_object
from api.logs import elapsed_s
from api.options import check_options, known_options
from api.problems import invalid
from api.replies import address
from api.services import Services, services
from api.submission import idempotency_key
from api.upload import Upload, read_form
from db import batch_again, batch_ends, batch_views, batches
from db.batch_views import Which
from db.batches import NewBatch, NewItem
from db.consent import Word
from db.session import Connection
from pipeline.contracts import InputKind, ScanStatus
from pipeline.errors import InputError, NotFound, ScanmillError
from pipeline.sniff import MEDIA_TYPES, sniff
from storage.fetch import check_url
from storage.keys import artifact_key, object_key

MOST_ITEMS = 1_000
"""Lines of one request."""
MOST_BYTES = 1024 * 1024
PRIORITIES = (-100, 100)
MOST_FAILURES = 10_000_000
LONGEST_NAME, LONGEST_ID, LONGEST_URL = 200, 1_024, 2_048
MOST_PAGES = 5
"""Of scans that a cancel ends before it answers, those under way first; control ends the rest."""
RETRY_S = 10.0
"""A request retries lines for so long, then says that there are more."""
ENDS = (*map(str, ScanStatus), "refused", "deleted")
"""States of a line."""
_OWN = ("options", "consent", "fields")
"""What a line may say for itself."""
_SELECTOR = frozenset({"status", "code", "stage"})
Found = TypeVar("Found")


def open_batch() -> Response:
    """201 with an empty batch that takes items, or whose ``source`` is listed; 200 for a repeated Idempotency-Key."""
    body, here, tenant = read_object(request), services(), principal().tenant_id
    only_known(body, frozenset({"pipeline", "name", "priority", "failure_budget", "options", "consent", "source"}))
    budget = body.get("failure_budget")
    source = None if body.get("source") is None else read_source(body["source"], tenant, here.batches.roots)
    new = NewBatch(
        tenant_id=tenant,
        system=system_of(body.get("pipeline")),
        name=_name(body),
        priority=number_of(body.get("priority", 0), "priority", *PRIORITIES),
        failure_budget=None if budget is None else number_of(budget, "failure_budget", 0, MOST_FAILURES),
        options=options_of(body.get("options", {})),
        consent=word(body.get("consent")),
        source=source,
        idempotency_key=idempotency_key(),
    )
    with here.database.begin() as connection:
        check_options(connection, new.system, new.options)
        check_since(connection, tenant, source)
        batch_id, created = batches.create(connection, new)
        return _shown(connection, batch_id, 201 if created else 200)


def append_items(batch_id: str) -> Response:
    """200 with how many were taken, refused with a code of their own, or known already; so it is safe to repeat.

    Either one picture (multipart, with ``custom_id``, and ``options``, ``consent`` and ``fields`` as JSON texts) or a list of up to
    1,000 addresses and object keys.
    """
    here, wanted, tenant = services(), uuid_of(batch_id), principal().tenant_id
    if request.mimetype == "multipart/form-data":
        with here.uploads:
            items = [_uploaded(here, tenant)]
    else:
        items = _listed(tenant)
    with here.database.begin() as connection:
        _check_items(connection, tenant, wanted, items)
        done = batches.append(connection, tenant, wanted, items, elapsed_s())
    return jsonify(asdict(_found(done)))


def _uploaded(here: Services, tenant_id: UUID) -> NewItem:
    """The line of one uploaded picture: a picture that cannot be one is a refused line, not a refused request."""
    form = read_form(request, here.limits.max_bytes)
    only_known(form.fields, frozenset({"custom_id", *_OWN, *ABOUT}))
    if form.upload is None:
        raise invalid("file", "a multipart request carries exactly one file")
    given: dict[str, Any] = {"custom_id": form.upload.filename, **form.fields}
    given |= {name: object_in(form.fields[name], name) for name in _OWN if name in form.fields}
    line = _line(given)
    return stored(here, tenant_id, line, form.upload)


def stored(here: Services, tenant_id: UUID, line: NewItem, upload: Upload) -> NewItem:
    """The line with its picture in storage; refused, with a code, where the picture cannot be one."""
    try:
        header = sniff(upload.content, len(upload.content), here.limits)
    except InputError as error:
        return replace(line, code=error.code)
    key = artifact_key(tenant_id, upload.sha256)
    here.storage.put(key, upload.content, MEDIA_TYPES[header.format])
    return replace(line, ref=key, sha256=upload.sha256, filename=upload.filename)


def _listed(tenant_id: UUID) -> list[NewItem]:
    body = read_object(request, MOST_BYTES)
    only_known(body, frozenset({"items"}))
    items = body.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MOST_ITEMS:
        raise invalid("items", f"must be a list of 1 to {MOST_ITEMS} items")
    return [_referred(tenant_id, item, f"items[{place}]") for place, item in enumerate(items)]


def _referred(tenant_id: UUID, item: object, field: str) -> NewItem:
    """The line of a picture that the service fetches; an address that may not be fetched is a refused line."""
    if not isinstance(item, dict):
        raise invalid(field, "must be an object")
    only_known(item, frozenset({"custom_id", "image_url", "object_key", *_OWN, *ABOUT}))
    line = _line(item, f"{field}.")
    if ("image_url" in item) == ("object_key" in item):
        raise invalid(field, "needs exactly one of image_url and object_key")
    try:
        if "image_url" in item:
            url = text_of(item["image_url"], f"{field}.image_url", LONGEST_URL)
            check_url(url)
            return replace(line, kind=InputKind.URL, ref=url)
        key = text_of(item["object_key"], f"{field}.object_key", LONGEST_ID)
        return replace(line, kind=InputKind.OBJECT, ref=object_key(tenant_id, key))
    except ScanmillError as error:
        return replace(line, code=error.code)


def _line(given: Mapping[str, Any], field: str = "") -> NewItem:
    """What any line may say besides its picture."""
    fields = given.get("fields")
    if fields is not None and not isinstance(fields, dict):
        raise invalid("fields", "must be an object")
    options = None if given.get("options") is None else options_of(given["options"])
    name, consent = text_of(given.get("custom_id"), f"{field}custom_id", LONGEST_ID), word(given.get("consent"))
    return NewItem(custom_id=name, options=options, consent=consent, fields=fields, **about_of(given, field))


def word(given: object) -> Word | None:
    """What a ``consent`` says of training, as the word of the key that asks."""
    training = training_of(given)
    return None if training is None else Word(training, principal().key_id)


def finalise_batch(batch_id: str) -> Response:
    """No more items come; the batch ends when its last scan has."""
    return _steer(batch_id, batches.finalise)


def pause_batch(batch_id: str) -> Response:
    """Nothing more of it is begun; what is under way ends."""
    return _steer(batch_id, batches.pause)


def resume_batch(batch_id: str) -> Response:
    """Go on after a pause."""
    return _steer(batch_id, batches.resume)


def cancel_batch(batch_id: str) -> Response:
    """Final: what is under way is cancelled before this answers, what waits within moments. Finished lines stay."""

    def cancel(connection: Connection, tenant_id: UUID, wanted: UUID) -> bool:
        done = batches.cancel(connection, tenant_id, wanted)
        for _ in range(MOST_PAGES):
            if batch_ends.cancel_page(connection, wanted) == 0:
                break
        return done

    return _steer(batch_id, cancel)


def change_batch(batch_id: str) -> Response:
    """Another priority: among your batches the higher one is admitted first. Single scans count as 0."""
    body = read_object(request)
    only_known(body, frozenset({"priority"}))
    priority = number_of(body.get("priority"), "priority", *PRIORITIES)
    return _steer(batch_id, lambda connection, tenant, wanted: batches.prioritise(connection, tenant, wanted, priority))


def retry_batch(batch_id: str) -> Response:
    """Scan chosen lines again, in place: failed and partial ones unless the body says otherwise.

    Only scans that had ended ``before`` a moment, now if none is given, are chosen; the answer carries it. So a line is
    retried once for one ``before``, however often the request is repeated: after a lost answer, and while ``more`` is
    true because there was no time for all of them.
    """
    here, wanted, tenant = services(), uuid_of(batch_id), principal().tenant_id
    body = read_object(request)
    only_known(body, _SELECTOR | {"options", "before"})
    asked_for = moment_of(body["before"], "before") if "before" in body else None
    which, options = selector(body), options_of(body.get("options", {}))
    with here.database.begin() as connection:
        known_options(_found(batches.options(connection, tenant, wanted)), options)
        before = batch_again.not_later_than_now(connection, asked_for)
    until, total, page = time.monotonic() + RETRY_S, 0, batch_again.PAGE
    while page == batch_again.PAGE and time.monotonic() < until:
        with here.database.begin() as connection:
            page = _found(batch_again.retry_page(connection, tenant, wanted, which, options, before))
        total += page
    return jsonify({"id": batch_id, "retried": total, "more": page == batch_again.PAGE, "before": before.isoformat()})


def reprocess_batch(batch_id: str) -> Response:
    """202 with a new batch of the same lines on today's pipeline; only what changed is computed.

    With ``dry_run`` nothing is queued: 200 with the plan. It says which stages differ and which follow from them, how
    many runs are computed (``least`` to ``most``) and how long such runs took when they were last computed.
    """
    wanted, tenant = uuid_of(batch_id), principal().tenant_id
    body = read_object(request)
    only_known(body, frozenset({"name", "options", "dry_run"}))
    options, key = options_of(body.get("options", {})), idempotency_key()
    if not isinstance(dry_run := body.get("dry_run", False), bool):
        raise invalid("dry_run", "must be true or false")
    with services().database.begin() as connection:
        known = _found(batch_views.get(connection, tenant, wanted))
        check_options(connection, known["system"], options)
    if dry_run:
        return jsonify(_found(reprocess_plan(services(), tenant, wanted, options)))
    with services().database.begin() as connection:
        made = batch_again.reprocess(connection, tenant, wanted, name=_name(body), options=options, key=key)
        return _shown(connection, _found(made), 202)


def selector(body: Mapping[str, Any]) -> Which:
    """Lines by ``status`` (one or several), ``code`` and ``stage``."""
    status = body.get("status", [])
    statuses = [status] if isinstance(status, str) else status
    if not isinstance(statuses, list) or not all(one in ENDS for one in statuses):
        raise invalid("status", f"must be of {', '.join(ENDS)}")
    code, stage = (text_of(body[name], name, LONGEST_NAME) if name in body else None for name in ("code", "stage"))
    return Which(tuple(statuses), code, stage)


def _steer(batch_id: str, what: Callable[[Connection, UUID, UUID], bool]) -> Response:
    wanted, tenant = uuid_of(batch_id), principal().tenant_id
    with services().database.begin() as connection:
        if not what(connection, tenant, wanted):
            raise NotFound
        return _shown(connection, wanted, 200)


def _shown(connection: Connection, batch_id: UUID, status: int) -> Response:
    response = jsonify(_found(batch_views.get(connection, principal().tenant_id, batch_id)))
    response.status_code = status
    if status in (201, 202):
        response.headers["Location"] = address(url_for("get_batch", batch_id=str(batch_id)))
    return response


def _found(value: Found | None) -> Found:
    if value is None:
        raise NotFound
    return value


def _name(body: Mapping[str, Any]) -> str | None:
    return text_of(body["name"], "name", LONGEST_NAME) if body.get("name") is not None else None


def _check_items(connection: Connection, tenant_id: UUID, batch_id: UUID, items: list[NewItem]) -> None:
    if any(item.options for item in items):
        known = _found(batches.options(connection, tenant_id, batch_id))
        for item in items:
            known_options(known, item.options or {})
