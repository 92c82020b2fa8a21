"""Model versions as rows: what each is, where its bytes came from, and whether it was found good."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db.sql import row, rows, run


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to add. ``entry`` is its manifest table, ``goldens`` what it must reproduce, ``card`` Markdown for people."""

    name: str
    version: str
    digest: str
    pack: str
    sha256: str
    size: int
    entry: Mapping[str, Any]
    goldens: Mapping[str, Any] | None = None
    card: str | None = None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version as it is known. ``size`` is in bytes, 0 until storage has the file. ``state``: registered, verified or refused (then ``code`` and ``detail`` say why)."""

    id: int
    name: str
    version: str
    digest: str
    pack: str
    sha256: str
    size: int
    entry: Mapping[str, Any]
    goldens: Mapping[str, Any] | None
    state: str
    code: str | None
    detail: str | None
    created_at: datetime
    stored_at: datetime | None
    verified_at: datetime | None


def add(connection: sa.Connection, new: NewVersion) -> VersionRow:
    """The version's row, made if it is new. Another card replaces the old one; so do other goldens, and it has to be verified again."""
    made = row(
        connection,
        """INSERT INTO model_version AS known (name, version, digest, pack, sha256, size, entry, goldens, card)
           VALUES (:name, :version, :digest, :pack, :sha256, :size, CAST(:entry AS json), CAST(:goldens AS json), :card)
           ON CONFLICT (name, digest) DO UPDATE SET
             goldens = coalesce(excluded.goldens, known.goldens), card = coalesce(excluded.card, known.card),
             state = CASE WHEN excluded.goldens::text <> coalesce(known.goldens::text, '')
                          THEN 'registered' ELSE known.state END
           RETURNING *""",
        name=new.name,
        version=new.version,
        digest=new.digest,
        pack=new.pack,
        sha256=new.sha256,
        size=new.size,
        entry=json.dumps(dict(new.entry), default=str),  # a manifest may hold dates
        goldens=None if new.goldens is None else json.dumps(dict(new.goldens)),
        card=new.card,
    )
    assert made is not None
    return _version(made)


def find(connection: sa.Connection, name: str, digest: str) -> VersionRow | None:
    """That very version, if it is known."""
    found = row(
        connection, "SELECT * FROM model_version WHERE name = :name AND digest = :digest", name=name, digest=digest
    )
    return _version(found) if found else None


def listing(connection: sa.Connection, name: str | None = None) -> list[VersionRow]:
    """All versions, or one model's; the newest first."""
    found = rows(
        connection,
        """SELECT * FROM model_version WHERE CAST(:name AS text) IS NULL OR name = :name
           ORDER BY name, id DESC""",
        name=name,
    )
    return [_version(each) for each in found]


def chosen(connection: sa.Connection, name: str, wanted: str) -> list[VersionRow]:
    """The versions of a model that ``wanted`` may mean: its version, or the first 8 or more digits of its digest."""
    return [
        each
        for each in listing(connection, name)
        if each.version == wanted or (len(wanted) >= 8 and each.digest.startswith(wanted))
    ]


def card(connection: sa.Connection, name: str, digest: str) -> str | None:
    """What is said of that version for people, if anything came with it."""
    found = row(
        connection, "SELECT card FROM model_version WHERE name = :name AND digest = :digest", name=name, digest=digest
    )
    return None if found is None else found.card


def without_file(connection: sa.Connection) -> list[VersionRow]:
    """Versions whose file storage does not have yet."""
    return [_version(each) for each in rows(connection, "SELECT * FROM model_version WHERE stored_at IS NULL")]


def stored(connection: sa.Connection, sha256: str, size: int) -> None:
    """Storage has that file, of so many bytes, now."""
    run(
        connection,
        """UPDATE model_version SET stored_at = clock_timestamp(), size = :size
           WHERE sha256 = :sha AND stored_at IS NULL""",
        sha=sha256,
        size=size,
    )


def judge(connection: sa.Connection, name: str, digest: str, code: str | None, detail: str) -> None:
    """Keep what verification found: good when there is no ``code``."""
    run(
        connection,
        """UPDATE model_version SET verified_at = clock_timestamp(), code = :code, detail = :detail,
                  state = CASE WHEN CAST(:code AS text) IS NULL THEN 'verified' ELSE 'refused' END
           WHERE name = :name AND digest = :digest""",
        name=name,
        digest=digest,
        code=code,
        detail=detail,
    )


def mark(connection: sa.Connection) -> tuple[int, datetime | None]:
    """Changes whenever a version, or the file of one, has come."""
    found = row(connection, "SELECT count(*) AS n, max(stored_at) AS newest FROM model_version")
    assert found is not None
    return int(found.n), found.newest


def _version(r: sa.Row[Any]) -> VersionRow:
    return VersionRow(**{name: getattr(r, name) for name in VersionRow.__dataclass_fields__})
