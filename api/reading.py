"""Looking at scans and their artifacts."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from flask import Response, jsonify, request

from api import ids
from api.auth import principal
from api.fields import asked, page_size
from api.ids import artifact_name_of, scan_id_of
from api.links import signed_link
from api.problems import invalid
from api.services import services
from api.submission import preferred_wait
from api.waiting import wait_for_end
from db import corrections, views
from pipeline.contracts import ScanStatus, System
from pipeline.errors import ArtifactExpired, NotFound
from storage.local import LocalStorage


def list_scans() -> Response:
    """One page, newest first."""
    status, system = _one_of("status", ScanStatus), _one_of("system", System)
    asked({"status", "system", "limit", "cursor"})
    cursor = request.args.get("cursor")
    if cursor is not None and not ids.UUID_TEXT.fullmatch(cursor):
        raise invalid("cursor", "must be next_cursor of another page")
    with services().database.begin() as connection:
        items, following = views.page(
            connection,
            principal().tenant_id,
            status=status,
            system=system,
            after=UUID(cursor) if cursor else None,
            limit=page_size(),
        )
    return jsonify({"items": items, "next_cursor": following})


def get_scan(scan_id: str) -> Response:
    """A scan in full; with ``Prefer: wait=N`` once it has ended, or after N seconds as it is then."""
    here, wanted, tenant, wait = services(), scan_id_of(scan_id), principal().tenant_id, preferred_wait()
    with here.database.begin() as connection:
        scan = views.get(connection, tenant, wanted)
    if scan is None:
        raise NotFound
    if wait and not ScanStatus(scan["status"]).terminal:
        with here.waits:
            wait_for_end(here, tenant, wanted, wait)
        with here.database.begin() as connection:
            scan = views.get(connection, tenant, wanted) or scan
    with here.database.begin() as connection:
        said = corrections.of_scans(connection, tenant, [scan_id]).get(scan_id, [])
    response = jsonify({**scan, "corrections": [asdict(each) for each in said]})
    if wait:
        response.headers["Preference-Applied"] = f"wait={wait}"
    return response


def get_artifact(scan_id: str, name: str) -> Response:
    """302 to a link that lives for minutes; with ``?redirect=0`` the link as JSON."""
    here, wanted, name = services(), scan_id_of(scan_id), artifact_name_of(name)
    with here.database.begin() as connection:
        found = views.artifact(connection, principal().tenant_id, wanted, name)
    if found is None:
        raise NotFound
    if found.expired:
        raise ArtifactExpired
    redirect = request.args.get("redirect") != "0"
    url = signed_link(
        here,
        principal().tenant_id,
        found.sha256,
        media_type=found.media_type,
        title=f"{scan_id}-{name}",
        absolute=not redirect,
    )
    if redirect:
        return Response(status=302, headers={"Location": url, "Cache-Control": "private, no-store"})
    return jsonify(
        {
            "name": name,
            "url": url,
            "expires_in_s": here.settings.signed_url_s,
            "sha256": found.sha256,
            "size": found.size,
            "media_type": found.media_type,
        }
    )


def get_file(key: str) -> Response:
    """A file of the local storage, for whoever holds its signed link. Never shown as a page of ours."""
    here = services()
    query = request.args.to_dict()
    if not isinstance(here.storage, LocalStorage) or not here.storage.verify(key, query):
        raise NotFound
    response = Response(here.storage.get(key), mimetype=query["type"])
    response.headers.set("Content-Disposition", "attachment", filename=query["name"])
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = f"private, max-age={here.settings.signed_url_s}"
    return response


def _one_of(field: str, words: type[ScanStatus | System]) -> str | None:
    text = request.args.get(field)
    if text is not None and text not in list(words):
        raise invalid(field, f"must be one of {', '.join(words)}")
    return text
