"""The files of a batch's lines, copied below a prefix of the tenant's own objects, a page of lines at a time."""

from __future__ import annotations

import hashlib
import mimetypes
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Response, jsonify, request

from api.auth import principal
from api.batch_reading import batch_of
from api.fields import only_known, text_of
from api.ids import artifact_name_of, uuid_of
from api.json_body import read_object
from api.problems import Refused, invalid
from api.services import Services, services
from db import batch_artifacts
from pipeline.errors import NotFound, PathNotAllowed
from storage.keys import LONGEST_PATH, artifact_key, object_key

PAGE = 20
"""Lines of one request; their files pass through this process, one at a time."""
_FIELDS = frozenset({"prefix", "names", "cursor"})
MOST_NAMES = 50


def copy_artifacts(batch_id: str) -> Response:
    """Copy the files of the next lines; repeat with ``next_cursor`` until it is null. A repeat writes nothing twice.

    A file goes to ``prefix/custom_id/name.suffix``; where a custom_id is no path that an object may have, the
    beginning of its SHA-256 stands for it.
    """
    here, wanted, tenant = services(), uuid_of(batch_id), principal().tenant_id
    body = read_object(request)
    batch_of(here, wanted)
    only_known(body, _FIELDS)
    prefix, names, after = (
        _prefix(body.get("prefix"), tenant),
        _names(body.get("names", [])),
        _cursor(body.get("cursor")),
    )
    with here.streams:
        with here.database.begin() as connection:
            found = batch_artifacts.page(connection, tenant, wanted, names, after=after, limit=PAGE + 1)
        ends: Counter[str] = Counter({"copied": 0, "present": 0, "expired": 0})
        ends.update(_copied(here, tenant, prefix, line, file) for line in found[:PAGE] for file in line["artifacts"])
    following = str(found[PAGE - 1]["n"]) if len(found) > PAGE else None
    return jsonify({**ends, "lines": len(found[:PAGE]), "next_cursor": following})


def _copied(here: Services, tenant: UUID, prefix: str, line: dict[str, Any], file: dict[str, Any]) -> str:
    """How one file ended: ``copied``, ``present`` with the same bytes, or ``expired``."""
    if file["expired"]:
        return "expired"
    key = place_of(tenant, prefix, line["custom_id"], file["name"], file["media_type"])
    known = here.storage.head(key)
    if known is not None and known.sha256 == file["sha256"]:
        return "present"
    here.storage.put(key, here.storage.get(artifact_key(tenant, file["sha256"]), file["sha256"]), file["media_type"])
    return "copied"


def place_of(tenant: UUID, prefix: str, custom_id: str, name: str, media_type: str) -> str:
    """The object's key. Two lines never share one: their custom_ids differ."""
    file = f"{name}{mimetypes.guess_extension(media_type) or '.bin'}"
    try:
        return object_key(tenant, f"{prefix}/{custom_id}/{file}")
    except PathNotAllowed:
        digest = hashlib.sha256(custom_id.encode(errors="surrogatepass")).hexdigest()
        return object_key(tenant, f"{prefix}/{digest[:32]}/{file}")


def _prefix(value: object, tenant: UUID) -> str:
    prefix = text_of(value, "prefix", LONGEST_PATH // 2).removesuffix("/")
    try:
        object_key(tenant, prefix)
    except PathNotAllowed as error:
        raise Refused(error, fields={"prefix": "must be a plain path below your objects"}) from error
    return prefix


def _names(value: object) -> Sequence[str]:
    if not isinstance(value, list) or len(value) > MOST_NAMES or not all(isinstance(name, str) for name in value):
        raise invalid("names", f"must be a list of at most {MOST_NAMES} names")
    try:
        return [artifact_name_of(name) for name in value]
    except NotFound:
        raise invalid("names", "must be names of artifacts") from None


def _cursor(value: object) -> int:
    if value is None:
        return 0
    if not isinstance(value, str) or not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise invalid("cursor", "must be the next_cursor of the answer before")
    return int(value)
