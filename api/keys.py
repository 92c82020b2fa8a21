"""A tenant's API keys, for its administrators. A token is shown once, when it is made."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response, jsonify, request

from api.auth import principal
from api.fields import only_known
from api.ids import key_id_of
from api.json_body import read_object
from api.problems import invalid
from api.services import services
from db import tenants
from pipeline.errors import NotFound

LONGEST_NAME = 100
LONGEST_LIFE_DAYS = 3_650


def list_keys() -> Response:
    """All keys, newest first, without their secrets."""
    with services().database.begin() as connection:
        found = tenants.list_keys(connection, principal().tenant_id)
    return jsonify({"items": [asdict(key) for key in found]})


def create_key() -> Response:
    """201 with the token, which cannot be read again."""
    body = read_object(request)
    only_known(body, frozenset({"name", "scopes", "expires_in_days"}))
    name, scopes, days = body.get("name"), body.get("scopes"), body.get("expires_in_days")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise invalid("name", f"must be a text of 1 to {LONGEST_NAME} characters")
    if not isinstance(scopes, list) or not scopes or not all(scope in sorted(tenants.SCOPES) for scope in scopes):
        raise invalid("scopes", f"must be a list out of {', '.join(sorted(tenants.SCOPES))}")
    if days is not None and (type(days) is not int or not 1 <= days <= LONGEST_LIFE_DAYS):
        raise invalid("expires_in_days", f"must be a number from 1 to {LONGEST_LIFE_DAYS}")
    with services().database.begin() as connection:
        key_id, token = tenants.create_key(connection, principal().tenant_id, name, frozenset(scopes), days)
    response = jsonify({"id": key_id, "name": name, "scopes": sorted(set(scopes)), "token": token})
    response.status_code = 201
    return response


def revoke_key(key_id: str) -> Response:
    """204; the key is refused from now on, by other processes within seconds."""
    wanted = key_id_of(key_id)
    with services().database.begin() as connection:
        revoked = tenants.revoke_key(connection, principal().tenant_id, wanted)
    if not revoked:
        raise NotFound
    services().keys.forget(wanted)
    return Response(status=204)
