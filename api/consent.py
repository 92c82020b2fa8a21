"""Words on training: the tenant's own, and a scan's."""

from __future__ import annotations

from flask import Response, jsonify, request

from api.auth import principal
from api.fields import only_known, training_of
from api.ids import scan_id_of
from api.json_body import read_object
from api.problems import invalid
from api.services import services
from db import consent
from db.consent import Word
from pipeline.errors import NotFound


def get_consent() -> Response:
    """Whether your pictures may be used for training at all, since when, and by which key that was said."""
    with services().database.begin() as connection:
        return jsonify(consent.of_tenant(connection, principal().tenant_id))


def set_consent() -> Response:
    """Allow or withdraw it for the whole tenant. Allowing is not enough: a scan must say so, too."""
    word = _word()
    with services().database.begin() as connection:
        return jsonify(consent.say_for_tenant(connection, principal().tenant_id, word))


def set_scan_consent(scan_id: str) -> Response:
    """Allow or withdraw it for one scan, at any time. A dataset that is made from then on goes by it."""
    wanted, word = scan_id_of(scan_id), _word()
    with services().database.begin() as connection:
        told = consent.say_for_scan(connection, principal().tenant_id, wanted, word)
    if told is None:
        raise NotFound
    return jsonify(told)


def _word() -> Word:
    body = read_object(request)
    only_known(body, frozenset({"training"}))
    if (training := training_of(body, "body")) is None:
        raise invalid("training", "is needed")
    return Word(training, principal().key_id)
