"""The source of a batch that the service lists itself: a tenant's objects under a prefix, or a folder of the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from api.fields import text_of
from api.ids import UUID_TEXT
from api.problems import Refused, invalid
from db import batch_views
from db.session import Connection
from pipeline.errors import PathNotAllowed
from storage.keys import LONGEST_KEY, objects_folder
from storage.roots import check_words, resolved

MOST_GLOBS, LONGEST_GLOB = 20, 200
_FIELDS = frozenset({"prefix", "folder", "glob", "since"})


def read_source(given: object, tenant_id: UUID, roots: Sequence[Path]) -> dict[str, Any]:
    """The source as it is stored. Raises INVALID_FIELD, and PATH_NOT_ALLOWED for a folder below no root."""
    if not isinstance(given, dict) or ("prefix" in given) == ("folder" in given):
        raise invalid("source", "must be an object with exactly one of prefix and folder")
    for name in sorted(given.keys() - _FIELDS):
        raise invalid(f"source.{name}", "is not a field of a source")
    source = _prefix(given["prefix"], tenant_id) if "prefix" in given else _folder(given["folder"], roots)
    if "glob" in given:
        source["glob"] = _globs(given["glob"])
    if given.get("since") is not None:
        if not isinstance(given["since"], str) or not UUID_TEXT.fullmatch(given["since"]):
            raise invalid("source.since", "must be the id of a batch")
        source["since"] = given["since"].lower()
    return source


def check_since(connection: Connection, tenant_id: UUID, source: dict[str, Any] | None) -> None:
    """Refuse an earlier batch that is not this tenant's."""
    since = (source or {}).get("since")
    if since is not None and batch_views.get(connection, tenant_id, UUID(since)) is None:
        raise invalid("source.since", "is no batch of yours")


def _prefix(value: object, tenant_id: UUID) -> dict[str, Any]:
    """A prefix means a folder of objects, so a slash at its end makes no difference."""
    if value == "":
        return {"prefix": ""}
    prefix = text_of(value, "source.prefix", LONGEST_KEY).removesuffix("/")
    try:
        objects_folder(tenant_id, prefix or "/")
    except PathNotAllowed as error:
        raise Refused(error, fields={"source.prefix": "must be a plain path below your objects"}) from error
    return {"prefix": prefix}


def _folder(value: object, roots: Sequence[Path]) -> dict[str, Any]:
    """Its words; and where it is on this host too, that no link leads out of the roots."""
    folder = text_of(value, "source.folder", LONGEST_KEY)
    try:
        check_words(roots, folder)
        if Path(folder).exists():
            resolved(roots, folder)
    except (PathNotAllowed, OSError) as error:
        reason = "must be an absolute path below a folder that SCANMILL_BATCH_ROOTS names"
        raise Refused(PathNotAllowed(str(error)), fields={"source.folder": reason}) from error
    return {"folder": folder}


def _globs(value: object) -> list[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_GLOBS:
        raise invalid("source.glob", f"must be a list of 1 to {MOST_GLOBS} patterns")
    return [text_of(glob, "source.glob", LONGEST_GLOB) for glob in value]
