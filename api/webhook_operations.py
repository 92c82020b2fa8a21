"""The operations on webhooks and their shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import webhooks
from api.fields import MOST_ITEMS
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import COUNT, MAYBE_TEXT, MAYBE_TIME, SCHEMAS, SYSTEM, TEXT, TIME, UUID, listed, ref, shape
from db.webhook_events import FILTERS
from db.webhooks import STATES
from pipeline import errors

_STATE = {"type": "string", "enum": list(STATES)}
_URL = {**TEXT, "format": "uri", "description": "https, on port 443 unless the operator allows more"}
_EVENTS = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(FILTERS)}}
_SYSTEM = {**SYSTEM, "type": ["string", "null"], "enum": [*SYSTEM["enum"], None]}
_DESCRIPTION = {"type": ["string", "null"], "minLength": 1, "maxLength": webhooks.LONGEST_DESCRIPTION}
_SECRET = {**TEXT, "pattern": "^whsec_", "description": "signs every delivery; shown this once"}
_TRY = shape(
    {
        "attempt": COUNT,
        "at": TIME,
        "status": {"type": ["integer", "null"], "description": "HTTP status, if the receiver answered"},
        "code": {**MAYBE_TEXT, "description": "why it was not taken"},
        "duration_ms": COUNT,
    }
)
_WEBHOOK = {
    "id": UUID,
    "url": _URL,
    "events": _EVENTS,
    "system": _SYSTEM,
    "description": _DESCRIPTION,
    "enabled": {"type": "boolean"},
    "disabled_at": MAYBE_TIME,
    "disabled_code": {**MAYBE_TEXT, "description": "why it was disabled, if you did not do it"},
    "failing_since": {**MAYBE_TIME, "description": "the first failed attempt after the last good one"},
    "delivered": {**COUNT, "description": "attempts that were taken"},
    "failures": {**COUNT, "description": "attempts that were not"},
    "old_secret_until": {**MAYBE_TIME, "description": "until when the secret before the last rotation signs too"},
    "created_at": TIME,
}

SCHEMAS |= {
    "Webhook": shape(_WEBHOOK),
    "MadeWebhook": shape({**_WEBHOOK, "secret": _SECRET}),
    "NewWebhook": shape({"url": _URL, "events": _EVENTS}, optional={"system": _SYSTEM, "description": _DESCRIPTION}),
    "WebhookChange": shape(
        {},
        optional={
            "url": _URL,
            "events": _EVENTS,
            "description": _DESCRIPTION,
            "enabled": {"type": ["boolean", "null"]},
        },
    ),
    "Delivery": shape(
        {
            "id": {**UUID, "description": "the webhook-id of every attempt"},
            "type": TEXT,
            "data": {"type": "object", "description": "what is told, without the links"},
            "state": _STATE,
            "attempts": COUNT,
            "next_at": MAYBE_TIME,
            "tries": {"type": "array", "items": _TRY, "description": "the newest 20"},
            "created_at": TIME,
        }
    ),
}
SCHEMAS["DeliveryPage"] = shape({"items": {"type": "array", "items": ref("Delivery")}, "next_cursor": MAYBE_TEXT})

_ID = Parameter("webhook_id", "path", "A webhook's id", {"type": "string", "format": "uuid"})
_DELIVERY = Parameter("delivery_id", "path", "A delivery's id", {"type": "string", "format": "uuid"})
_LIMIT = Parameter("limit", "query", "Items on a page", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS})
_BODY_ERRORS = (errors.InvalidJson, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge)
_URL_ERRORS = (
    errors.UrlInvalid,
    errors.UrlSchemeNotAllowed,
    errors.UrlCredentialsNotAllowed,
    errors.UrlPortNotAllowed,
    errors.UrlAddressNotAllowed,
    errors.WebhookNeedsHttps,
)

WEBHOOK_OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/webhooks",
        handler=webhooks.create_webhook,
        tag="webhooks",
        summary="Be told of events",
        scope="admin",
        body={"application/json": ref("NewWebhook")},
        answers={201: answer("MadeWebhook", "The webhook, with its secret", Location="The webhook's address")},
        errors=(*_BODY_ERRORS, *_URL_ERRORS, errors.TooManyWebhooks),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks",
        handler=webhooks.list_webhooks,
        tag="webhooks",
        summary="List webhooks",
        scope="admin",
        answers={200: Answer("Webhooks, without their secrets", {"application/json": listed(ref("Webhook"))})},
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/<webhook_id>",
        handler=webhooks.get_webhook,
        tag="webhooks",
        summary="Look at a webhook",
        scope="admin",
        parameters=(_ID,),
        answers={200: answer("Webhook", "The webhook")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="PATCH",
        path="/v1/webhooks/<webhook_id>",
        handler=webhooks.change_webhook,
        tag="webhooks",
        summary="Change, disable or enable a webhook",
        scope="admin",
        parameters=(_ID,),
        body={"application/json": ref("WebhookChange")},
        answers={200: answer("Webhook", "The webhook as it is now")},
        errors=(*_BODY_ERRORS, *_URL_ERRORS, errors.NotFound),
    ),
    Operation(
        method="DELETE",
        path="/v1/webhooks/<webhook_id>",
        handler=webhooks.delete_webhook,
        tag="webhooks",
        summary="Delete a webhook",
        scope="admin",
        parameters=(_ID,),
        answers={204: Answer("Deleted")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/<webhook_id>/rotate",
        handler=webhooks.rotate_webhook,
        tag="webhooks",
        summary="Make a new secret",
        scope="admin",
        parameters=(_ID,),
        answers={200: answer("MadeWebhook", "The webhook, with its new secret")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/<webhook_id>/test",
        handler=webhooks.ping_webhook,
        tag="webhooks",
        summary="Send a test event",
        scope="admin",
        parameters=(_ID,),
        answers={202: answer("Delivery", "The delivery, which waits to be sent")},
        errors=(errors.NotFound, errors.WebhookDisabled),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/<webhook_id>/deliveries",
        handler=webhooks.list_deliveries,
        tag="webhooks",
        summary="What was sent, and how it was answered",
        scope="admin",
        parameters=(
            _ID,
            Parameter("state", "query", "Only those in this state", _STATE),
            _LIMIT,
            Parameter("cursor", "query", "next_cursor of the page before"),
        ),
        answers={200: answer("DeliveryPage", "A page")},
        errors=(errors.NotFound, errors.InvalidField),
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/<webhook_id>/deliveries/<delivery_id>/redeliver",
        handler=webhooks.redeliver,
        tag="webhooks",
        summary="Send a delivery again",
        scope="admin",
        parameters=(_ID, _DELIVERY),
        answers={202: answer("Delivery", "The delivery, which waits to be sent")},
        errors=(errors.NotFound, errors.WebhookDisabled),
    ),
)
