"""Webhooks of a tenant, for its administrators: they send what happens to its scans to an address outside.

Nothing is sent from this process; ``control`` does that. A secret is shown when it is made, and never again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api.auth import principal
from api.fields import asked, only_known, page_size, system_of, text_of
from api.ids import UUID_TEXT, uuid_of
from api.json_body import read_object
from api.problems import invalid
from api.replies import address
from api.services import services
from db import webhooks
from db.webhook_events import FILTERS
from db.webhooks import STATES, DeliveryRow, WebhookRow
from pipeline.errors import NotFound
from storage.post import check_receiver
from tasks.webhook_settings import WebhookSettings

LONGEST_URL, LONGEST_DESCRIPTION = 2_048, 200


def create_webhook() -> Response:
    """201 with the secret, which cannot be read again. What the text of the address shows is refused here, what its name resolves to at each delivery."""
    body = read_object(request)
    only_known(body, frozenset({"url", "events", "system", "description"}))
    given = _checked(body)
    for name in ("url", "events"):
        if name not in given:
            raise invalid(name, "is needed")
    system = None if body.get("system") is None else str(system_of(body["system"]))
    with services().database.begin() as connection:
        made, secret = webhooks.create(connection, principal().tenant_id, system=system, **given)
    response = jsonify({**_shown(made), "secret": secret})
    response.status_code = 201
    response.headers["Location"] = address(f"/v1/webhooks/{made.id}")
    return response


def list_webhooks() -> Response:
    """All of them, the oldest first, without their secrets."""
    with services().database.begin() as connection:
        found = webhooks.listing(connection, principal().tenant_id)
    return jsonify({"items": [_shown(each) for each in found]})


def get_webhook(webhook_id: str) -> Response:
    """Whether it is enabled, why not, since when it fails, and how many attempts went well."""
    with services().database.begin() as connection:
        found = webhooks.get(connection, principal().tenant_id, uuid_of(webhook_id))
    return jsonify(_shown(_there(found)))


def change_webhook(webhook_id: str) -> Response:
    """Another address, other events, another description; off, or on again: then what waited goes on."""
    wanted, body = uuid_of(webhook_id), read_object(request)
    only_known(body, frozenset({"url", "events", "description", "enabled"}))
    enabled = body.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise invalid("enabled", "must be true or false")
    given = _checked(body)
    with services().database.begin() as connection:
        found = webhooks.change(connection, principal().tenant_id, wanted, enabled=enabled, **given)
    return jsonify(_shown(_there(found)))


def delete_webhook(webhook_id: str) -> Response:
    """204; nothing more is sent there, and its secrets and its log are removed."""
    with services().database.begin() as connection:
        gone = webhooks.delete(connection, principal().tenant_id, uuid_of(webhook_id))
    if not gone:
        raise NotFound
    return Response(status=204)


def rotate_webhook(webhook_id: str) -> Response:
    """A new secret, shown this once. For 24 hours every delivery is signed by both; a secret before the last is void at once."""
    with services().database.begin() as connection:
        made = webhooks.rotate(connection, principal().tenant_id, uuid_of(webhook_id))
    if made is None:
        raise NotFound
    return jsonify({**_shown(made[0]), "secret": made[1]})


def ping_webhook(webhook_id: str) -> Response:
    """202 and a delivery of `webhook.test`, which is tried once; look at it to see how that went."""
    with services().database.begin() as connection:
        made = webhooks.ping(connection, principal().tenant_id, uuid_of(webhook_id))
    return _accepted(made)


def list_deliveries(webhook_id: str) -> Response:
    """The newest first, each with its newest attempts: status, code, milliseconds, when. No answer's body is kept."""
    asked({"state", "limit", "cursor"})
    wanted, state, cursor, limit = uuid_of(webhook_id), *(request.args.get(n) for n in ("state", "cursor")), page_size()
    if state is not None and state not in STATES:
        raise invalid("state", f"must be one of {', '.join(STATES)}")
    if cursor is not None and not UUID_TEXT.fullmatch(cursor):
        raise invalid("cursor", "must be next_cursor of another page")
    tenant = principal().tenant_id
    with services().database.begin() as connection:
        _there(webhooks.get(connection, tenant, wanted))
        before = UUID(cursor) if cursor else None
        found = webhooks.deliveries(connection, tenant, wanted, state=state, before=before, limit=limit + 1)
    following = str(found[limit - 1].id) if len(found) > limit else None
    return jsonify({"items": [asdict(each) for each in found[:limit]], "next_cursor": following})


def redeliver(webhook_id: str, delivery_id: str) -> Response:
    """202: sent again under the same id, at once and then by the whole schedule. One on its way is left alone."""
    with services().database.begin() as connection:
        found = webhooks.redeliver(connection, principal().tenant_id, uuid_of(webhook_id), uuid_of(delivery_id))
    return _accepted(found)


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Those of url, events and description that are given. Raises INVALID_FIELD, the ``Url*`` errors, WebhookNeedsHttps."""
    given: dict[str, Any] = {}
    if "url" in body:
        given["url"] = text_of(body["url"], "url", LONGEST_URL)
        check_receiver(given["url"], WebhookSettings().rules())
    if "events" in body:
        events = body["events"]
        if not isinstance(events, list) or not events or not all(each in FILTERS for each in events):
            raise invalid("events", f"must be a list out of {', '.join(FILTERS)}")
        given["events"] = sorted(set(events))
    if body.get("description") is not None:
        given["description"] = text_of(body["description"], "description", LONGEST_DESCRIPTION)
    return given


def _there(found: WebhookRow | None) -> WebhookRow:
    if found is None:
        raise NotFound
    return found


def _shown(found: WebhookRow) -> dict[str, Any]:
    return {**asdict(found), "enabled": found.disabled_at is None}


def _accepted(made: DeliveryRow | None) -> Response:
    if made is None:
        raise NotFound
    response = jsonify(asdict(made))
    response.status_code = 202
    return response
