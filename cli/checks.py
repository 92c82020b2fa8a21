"""The checks of `scanmill doctor`: each one line, ok, warn or fail, with a code and a hint at what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import redis
from pydantic import ValidationError

from api.settings import ApiSettings
from cli.output import settings_message
from cli.packs import PackSettings, models
from db import migrate, pipelines, tenants
from db.facts import ServerFacts, server_facts
from db.session import Database
from db.settings import DatabaseSettings
from pipeline.errors import ScanmillError
from storage import open_storage
from tasks.settings import TaskSettings

_OLDEST_POSTGRES = 180_000
_SKEW_WARN_S, _SKEW_FAIL_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found; `hint` is empty when there is nothing to do."""

    check: str
    state: Literal["ok", "warn", "fail"]
    code: str
    message: str
    hint: str = ""


def examine(slots: int) -> Iterator[Verdict]:
    """All checks in order. `slots` is how many worker slots the whole installation runs, for the sum of connections."""
    yield from _guarded("database", lambda: _database(slots))
    yield from _guarded("redis", _redis)
    yield from _guarded("storage", _storage)
    yield from _guarded("models", _models)


def _guarded(check: str, examine_it: Callable[[], Iterator[Verdict]]) -> Iterator[Verdict]:
    """A check that cannot even be made has failed; the checks after it are made all the same."""
    try:
        yield from examine_it()
    except ValidationError as error:
        yield Verdict(check, "fail", "SETTINGS", settings_message(error), "set it in the environment of every process")
    except ScanmillError as error:
        yield Verdict(check, "fail", error.code, _first_line(error), _HINTS.get(check, ""))
    except redis.RedisError as error:
        yield Verdict(check, "fail", "REDIS_UNREACHABLE", _first_line(error), _HINTS["redis"])
    except (OSError, ValueError, KeyError) as error:
        yield Verdict(check, "fail", "UNREADABLE", _first_line(error), _HINTS.get(check, ""))


_HINTS = {
    "database": "is PostgreSQL running, and SCANMILL_DATABASE_URL right?",
    "redis": "is Redis running, and SCANMILL_REDIS_URL right? Scans go on without it, only slower",
    "storage": "are SCANMILL_STORAGE_URL and its keys right, and may this host write there?",
    "models": "see models/README.md",
}


def _database(slots: int) -> Iterator[Verdict]:
    settings = DatabaseSettings()
    database = Database(settings)
    try:
        with database.begin() as connection:
            facts = server_facts(connection)
        yield _version(facts)
        yield clock(facts.now, datetime.now(UTC))
        yield connections(facts, _wanted_connections(settings, slots))
        behind = migrate.pending(database)
        yield _migrations(behind)
        if not behind:
            yield from _contents(database)
    finally:
        database.dispose()


def _version(facts: ServerFacts) -> Verdict:
    said = f"PostgreSQL {facts.version // 10_000}.{facts.version % 10_000}"
    if facts.version < _OLDEST_POSTGRES:
        return Verdict("database", "fail", "POSTGRES_TOO_OLD", said, "PostgreSQL 18 or newer is needed")
    return Verdict("database", "ok", "OK", said)


def clock(server: datetime, here: datetime) -> Verdict:
    """Compare PostgreSQL's clock, which is the one that counts, with this host's."""
    skew = (here - server).total_seconds()
    said = f"this host is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} PostgreSQL"
    hint = "leases go by PostgreSQL's clock, but signed links and logs by this host's: run a time service"
    if abs(skew) > _SKEW_FAIL_S:
        return Verdict("clock", "fail", "CLOCK_SKEW", said, hint)
    if abs(skew) > _SKEW_WARN_S:
        return Verdict("clock", "warn", "CLOCK_SKEW", said, hint)
    return Verdict("clock", "ok", "OK", said)


def connections(facts: ServerFacts, wanted: int) -> Verdict:
    """Compare what all pools may take together with what the server gives."""
    free = facts.max_connections - facts.reserved_connections
    said = f"pools may take {wanted} of {free} connections ({facts.connections} open now)"
    if wanted > free:
        hint = "raise max_connections, or lower SCANMILL_DB_POOL_SIZE, SCANMILL_API_THREADS or the number of slots"
        return Verdict("connections", "fail", "TOO_MANY_CONNECTIONS", said, hint)
    return Verdict("connections", "ok", "OK", said)


def _wanted_connections(settings: DatabaseSettings, slots: int) -> int:
    """One API host, two controls, the slots and their supervisor."""
    api = ApiSettings()
    return api.workers * api.threads + (2 + slots + 1) * settings.db_pool_size


def _migrations(behind: bool) -> Verdict:
    if behind:
        hint = "run `scanmill migrate` with the newest version, then restart"
        return Verdict("migrations", "fail", "MIGRATIONS_PENDING", "the schema is not this version's", hint)
    return Verdict("migrations", "ok", "OK", "the schema is this version's")


def _contents(database: Database) -> Iterator[Verdict]:
    with database.begin() as connection:
        keys, systems = tenants.any_key(connection), [row["system"] for row in pipelines.listing(connection)]
    if keys:
        yield Verdict("keys", "ok", "OK", "there are API keys")
    else:
        yield Verdict("keys", "warn", "NO_KEYS", "there is no API key yet", "`scanmill keys create NAME` makes one")
    if systems:
        yield Verdict("pipelines", "ok", "OK", f"published: {', '.join(systems)}")
    else:
        yield Verdict(
            "pipelines", "warn", "NO_PIPELINE", "no pipeline is published", "`scanmill control` publishes them"
        )


def _redis() -> Iterator[Verdict]:
    with redis.Redis.from_url(TaskSettings().redis_url.get_secret_value(), socket_timeout=5) as client:
        policy = str(client.info("memory").get("maxmemory_policy"))
        version = client.info("server").get("redis_version")
    yield Verdict("redis", "ok", "OK", f"Redis {version}")
    if policy == "noeviction":
        yield Verdict("eviction", "ok", "OK", "maxmemory-policy is noeviction")
    else:
        hint = "set maxmemory-policy noeviction: an evicted queue delays work by a poll, and Flower loses tasks"
        yield Verdict("eviction", "fail", "REDIS_EVICTS", f"maxmemory-policy is {policy}", hint)


def _storage() -> Iterator[Verdict]:
    open_storage().check()
    yield Verdict("storage", "ok", "OK", "a probe was written, read back, signed and deleted")


def _models() -> Iterator[Verdict]:
    found = models(PackSettings())
    bad = [f"{model.name} is {model.state}" for model in found if model.state != "ok"]
    if bad:
        yield Verdict("models", "fail", "MODEL_UNAVAILABLE", ", ".join(bad), _HINTS["models"])
    else:
        yield Verdict("models", "ok", "OK", f"{len(found)} models, every file as its manifest says")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
