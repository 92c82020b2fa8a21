"""Tenants and their API keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows, run

SCOPES = frozenset({"scans:read", "scans:write", "admin"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a tenant, by one of its keys."""

    tenant_id: UUID
    key_id: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it may be shown: never its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def create_tenant(connection: sa.Connection, name: str) -> UUID:
    """The tenant of that name, made if it is new."""
    made = row(
        connection,
        """INSERT INTO tenant (name) VALUES (:name)
           ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id""",
        name=name,
    )
    assert made is not None
    return UUID(str(made.id))


def tenant_by_name(connection: sa.Connection, name: str) -> UUID | None:
    """The tenant of that name, if there is one."""
    found = row(connection, "SELECT id FROM tenant WHERE name = :name", name=name)
    return UUID(str(found.id)) if found else None


def create_key(
    connection: sa.Connection, tenant_id: UUID, name: str, scopes: frozenset[str], expires_in_days: int | None = None
) -> tuple[str, str]:
    """A new key's id, and its token ``sk_<id>_<secret>``, which is shown once and not stored.

    Raises ValueError for an unknown scope.
    """
    if not scopes <= SCOPES:
        raise ValueError(f"unknown scopes: {sorted(scopes - SCOPES)}")
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    run(
        connection,
        """INSERT INTO api_key (id, tenant_id, name, secret_sha256, scopes, expires_at)
           VALUES (:id, :tenant, :name, :sha, :scopes,
                   clock_timestamp() + make_interval(days => CAST(:days AS int)))""",
        id=key_id,
        tenant=tenant_id,
        name=name,
        sha=_digest(secret),
        scopes=sorted(scopes),
        days=expires_in_days,
    )
    return key_id, f"sk_{key_id}_{secret}"


def authenticate(connection: sa.Connection, token: str) -> Principal | None:
    """Who a token belongs to; None when it is unknown, wrong, expired or revoked."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != "sk" or not key_id or not secret.isascii():
        return None
    found = row(
        connection,
        """SELECT id, tenant_id, secret_sha256, scopes,
                  coalesce(last_used_at < clock_timestamp() - interval '1 minute', true) AS stale
           FROM api_key WHERE id = :id AND revoked_at IS NULL
             AND (expires_at IS NULL OR expires_at > clock_timestamp())""",
        id=key_id,
    )
    expected = found.secret_sha256 if found else ""
    if not hmac.compare_digest(expected, _digest(secret)) or found is None:
        return None
    if found.stale:
        run(connection, "UPDATE api_key SET last_used_at = clock_timestamp() WHERE id = :id", id=key_id)
    return Principal(UUID(str(found.tenant_id)), key_id, frozenset(found.scopes))


def list_keys(connection: sa.Connection, tenant_id: UUID) -> list[KeyRow]:
    """A tenant's keys, newest first."""
    found = rows(
        connection,
        """SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_key
           WHERE tenant_id = :tenant ORDER BY created_at DESC""",
        tenant=tenant_id,
    )
    return [
        KeyRow(r.id, r.name, tuple(r.scopes), r.created_at, r.expires_at, r.revoked_at, r.last_used_at) for r in found
    ]


def revoke_key(connection: sa.Connection, tenant_id: UUID, key_id: str) -> bool:
    """Revoke a key at once; False when the tenant has no such key that is still valid."""
    return bool(
        run(
            connection,
            """UPDATE api_key SET revoked_at = clock_timestamp()
               WHERE id = :id AND tenant_id = :tenant AND revoked_at IS NULL""",
            id=key_id,
            tenant=tenant_id,
        )
    )


def any_key(connection: sa.Connection) -> bool:
    """Whether any key exists that could be used."""
    return bool(rows(connection, "SELECT 1 FROM api_key WHERE revoked_at IS NULL LIMIT 1"))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
