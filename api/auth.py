"""Who asks, and what their key may do. Checked before the body is read."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time

from flask import g, request

from api.problems import Refused
from api.services import Services, services
from db import tenants
from db.session import Database
from db.tenants import Principal
from pipeline.errors import ForbiddenScope, Unauthenticated

OPEN_TENANT = "open"
_TOKEN = re.compile(r"sk_[0-9A-Za-z]{1,32}_[0-9A-Za-z_-]{1,128}")
_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_MOST_CACHED = 1_024


class KeyCache:
    """Keys that were valid a moment ago, by their token's SHA-256: a submit then needs one transaction, not two."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._known: dict[bytes, tuple[float, Principal]] = {}
        self._lock = threading.Lock()

    def find(self, database: Database, token: str) -> Principal | None:
        """Who the token belongs to. Raises StorageUnavailable."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        asked = time.monotonic()
        with database.begin() as connection:
            principal = tenants.authenticate(connection, token)
        if principal is not None and self._lifetime_s:
            with self._lock:
                if len(self._known) >= _MOST_CACHED:
                    self._known.clear()
                self._known[digest] = (asked + self._lifetime_s, principal)
        return principal

    def forget(self, key_id: str) -> None:
        """Drop a key that was revoked here."""
        with self._lock:
            self._known = {digest: entry for digest, entry in self._known.items() if entry[1].key_id != key_id}


def require(scope: str) -> None:
    """Set ``g.principal``. Raises Unauthenticated or ForbiddenScope."""
    here = services()
    principal = _open_principal(here) if here.settings.open else _bearer(here)
    g.principal = principal
    if scope not in principal.scopes:
        raise Refused(
            ForbiddenScope(), headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        )


def principal() -> Principal:
    """Who asks, in a handler whose operation has a scope."""
    found: Principal = g.principal
    return found


def require_metrics_token() -> None:
    """Hold GET /metrics to its own token where one is set."""
    token = services().settings.metrics_token
    if token is not None and not hmac.compare_digest((_presented() or "").encode(), token.get_secret_value().encode()):
        raise Unauthenticated


def _bearer(here: Services) -> Principal:
    token = _presented()
    if token is None or not _TOKEN.fullmatch(token):
        raise Unauthenticated
    principal = here.keys.find(here.database, token)
    if principal is None:
        raise Unauthenticated
    return principal


def _presented() -> str | None:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    key = request.headers.get("X-API-Key")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip() if key in (None, bearer.strip()) else None
    return key


def _open_principal(here: Services) -> Principal:
    """Everybody on this machine, but no web page: a browser there must not be turned against us.

    A page that rebinds its name to 127.0.0.1 shows in Host; one that posts across sites shows in Origin.
    """
    origin = request.headers.get("Origin")
    if not _LOCAL_HOST.fullmatch(request.host) or origin not in (None, f"http://{request.host}"):
        raise Unauthenticated
    with here.database.begin() as connection:
        tenant = tenants.tenant_by_name(connection, OPEN_TENANT) or tenants.create_tenant(connection, OPEN_TENANT)
    return Principal(tenant, OPEN_TENANT, tenants.SCOPES)
