"""Model versions: which there are, which one new scans get, and wishes to change that. ``control`` fulfils them.

Models belong to the installation: an administrator of any tenant sees and changes them for all.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify, request

from api.auth import principal
from api.fields import only_known
from api.json_body import read_object
from api.problems import invalid
from api.services import services
from db import model_promotions, model_versions, tenants
from db.model_promotions import PROMOTE, ROLLBACK, Request
from db.model_versions import VersionRow
from db.session import Connection
from pipeline.errors import AlreadyCurrent, AmbiguousVersion, NoEarlierVersion, NotFound

LONGEST_TEXT = 500


def list_models() -> Response:
    """Every model by name, with the version that new scans get."""
    with services().database.begin() as connection:
        known = model_versions.listing(connection)
        current = model_promotions.current(connection)
    names: dict[str, list[VersionRow]] = {}
    for each in known:
        names.setdefault(each.name, []).append(each)
    items = [
        {
            "name": name,
            "current": current.get(name),
            "version": next((each.version for each in versions if each.digest == current.get(name)), None),
            "versions": len(versions),
        }
        for name, versions in sorted(names.items())
    ]
    return jsonify({"items": items})


def list_model_versions(name: str) -> Response:
    """A model's versions, the newest first; its promotions and rollbacks, the oldest first; its newest requests."""
    with services().database.begin() as connection:
        known = model_versions.listing(connection, name)
        current = model_promotions.current(connection).get(name)
        past = model_promotions.history(connection, name)
        asked = model_promotions.requests(connection, name)
        ours = {f"key {key.id}" for key in tenants.list_keys(connection, principal().tenant_id)} | {_who()}
    if not known:
        raise NotFound
    return jsonify(
        {
            "name": name,
            "current": current,
            "items": [shown(each, current) for each in known],
            "history": [{**asdict(each), "promoted_by": _named(each.promoted_by, ours)} for each in past],
            "requests": [{**asdict(each), "asked_by": _named(each.asked_by, ours)} for each in asked],
        }
    )


def show_model_card(name: str) -> Response:
    """What a version is for, how good it is and where it is worse, in Markdown: of what new scans get, or of one asked for."""
    wanted = request.args.get("version")
    with services().database.begin() as connection:
        digest = _chosen(connection, name, wanted) if wanted else model_promotions.current(connection).get(name)
        card = model_versions.card(connection, name, digest) if digest else None
    if card is None:
        raise NotFound
    return Response(card, mimetype="text/markdown")


def promote_model(name: str) -> Response:
    """202: the version is verified beside the current one first; look at the model's requests for how it ended."""
    body = _body({"version", "digest", "why", "new_labels"})
    wanted = [body[key] for key in ("version", "digest") if key in body]
    if len(wanted) != 1 or not isinstance(wanted[0], str) or not 0 < len(wanted[0]) <= LONGEST_TEXT:
        raise invalid("version", "give either a version or a digest, as text")
    relabel = body.get("new_labels", False)
    if not isinstance(relabel, bool):
        raise invalid("new_labels", "must be true or false")
    with services().database.begin() as connection:
        digest = _chosen(connection, name, wanted[0])
        if model_promotions.current(connection).get(name) == digest:
            raise AlreadyCurrent
        asked = model_promotions.ask(connection, PROMOTE, name, digest, by=_who(), why=body.get("why"), relabel=relabel)
    return _accepted(asked)


def rollback_model(name: str) -> Response:
    """202: the version before is loaded first; look at the model's requests for how it ended."""
    body = _body({"why"}) if request.content_length else {}
    with services().database.begin() as connection:
        if not model_versions.listing(connection, name):
            raise NotFound
        if model_promotions.before(model_promotions.history(connection, name)) is None:
            raise NoEarlierVersion
        asked = model_promotions.ask(connection, ROLLBACK, name, None, by=_who(), why=body.get("why"), relabel=False)
    return _accepted(asked)


def shown(version: VersionRow, current: str | None) -> dict[str, Any]:
    """A version for people: what it is and how it stands, without its pictures."""
    entry = version.entry
    return {
        "name": version.name,
        "version": version.version,
        "digest": version.digest,
        "sha256": version.sha256,
        "size": version.size,
        "pack": version.pack,
        "runtime": str(entry.get("runtime", "")),
        "task": str(entry.get("task", "")),
        "licence": str(entry.get("licence", "")),
        "labels": entry.get("labels", {}),
        "thresholds": entry.get("thresholds", {}),
        "goldens": len((version.goldens or {}).get("pictures", ())),
        "current": version.digest == current,
        "stored": version.stored_at is not None,
        "state": version.state,
        "code": version.code,
        "detail": version.detail,
        "created_at": version.created_at,
        "verified_at": version.verified_at,
    }


def _chosen(connection: Connection, name: str, wanted: str) -> str:
    """The digest of the one version that is meant. Raises NotFound, AmbiguousVersion."""
    found = model_versions.chosen(connection, name, wanted)
    if not found:
        raise NotFound
    if len(found) > 1:
        raise AmbiguousVersion
    return found[0].digest


def _body(known: set[str]) -> dict[str, Any]:
    body = read_object(request)
    only_known(body, frozenset(known))
    why = body.get("why")
    if why is not None and not (isinstance(why, str) and len(why) <= LONGEST_TEXT):
        raise invalid("why", f"must be a text of at most {LONGEST_TEXT} characters")
    return body


def _who() -> str:
    return f"key {principal().key_id}"


def _named(who: str, ours: set[str]) -> str:
    """Whoever works on the installation itself, or one of our keys; which key of another tenant is not for us."""
    return who if who in ours or not who.startswith("key ") else "another tenant's key"


def _accepted(asked: Request) -> Response:
    response = jsonify(asdict(asked))
    response.status_code = 202
    response.headers["Location"] = f"/v1/models/{asked.name}/versions"
    return response
