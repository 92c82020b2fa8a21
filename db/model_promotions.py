"""Which version of a model new scans get: requests, their end, and the history that decides.

A request is ended in the transaction that adds its promotion and publishes the pipelines with the new digest, under the
lock of ``db.pipelines``: however many controls run, a version is promoted once, and none publishes an older state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from db.sql import row, rows, run

PROMOTE, ROLLBACK = "promote", "rollback"
MOST_ATTEMPTS = 2
"""Times a request is taken up; then whoever worked on it died each time, and it is refused."""


@dataclass(frozen=True, slots=True)
class Request:
    """A wish. ``state``: asked, done or refused; ``relabel``: other labels are meant."""

    id: int
    kind: str
    name: str
    digest: str | None
    relabel: bool
    asked_by: str
    why: str | None
    state: str
    code: str | None
    detail: str | None
    attempts: int
    asked_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """One change of a model's current version."""

    id: int
    name: str
    kind: str
    digest: str
    previous: str | None
    promoted_by: str
    why: str | None
    at: datetime


def ask(
    connection: sa.Connection, kind: str, name: str, digest: str | None, *, by: str, why: str | None, relabel: bool
) -> Request:
    """Write down a wish. A rollback's ``digest`` is None: where it goes is decided when its turn comes."""
    made = row(
        connection,
        """INSERT INTO model_request (kind, name, digest, relabel, asked_by, why)
           VALUES (:kind, :name, :digest, :relabel, :by, :why) RETURNING *""",
        kind=kind,
        name=name,
        digest=digest,
        relabel=relabel,
        by=by,
        why=why,
    )
    assert made is not None
    return _request(made)


def take(connection: sa.Connection, lease_s: float) -> Request | None:
    """The oldest open request that nobody works on, for ``lease_s`` seconds; ``attempts`` is the holder's token.

    Requests about one model are settled in the order in which they were made, so that the last wish stays.
    """
    taken = row(
        connection,
        """UPDATE model_request SET attempts = attempts + 1,
                  lease_until = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision))
           WHERE id = (SELECT id FROM model_request AS next
                       WHERE state = 'asked' AND coalesce(lease_until, '-infinity') < clock_timestamp()
                         AND NOT EXISTS (SELECT 1 FROM model_request AS older
                                         WHERE older.state = 'asked' AND older.name = next.name AND older.id < next.id)
                       ORDER BY id LIMIT 1 FOR UPDATE OF next SKIP LOCKED)
           RETURNING *""",
        lease=lease_s,
    )
    return _request(taken) if taken else None


def hand_back(connection: sa.Connection, request: Request, after_s: float) -> None:
    """Let a request be taken again in ``after_s`` seconds: what hindered it was no fault of the version's."""
    run(
        connection,
        """UPDATE model_request SET attempts = attempts - 1,
                  lease_until = clock_timestamp() + make_interval(secs => CAST(:after AS double precision))
           WHERE id = :id AND state = 'asked' AND attempts = :token""",
        id=request.id,
        token=request.attempts,
        after=after_s,
    )


def finish(connection: sa.Connection, request: Request, code: str | None, detail: str) -> bool:
    """End a request: done when there is no ``code``, else refused. False when it is no longer ours to end."""
    return bool(
        run(
            connection,
            """UPDATE model_request SET state = CASE WHEN CAST(:code AS text) IS NULL THEN 'done' ELSE 'refused' END,
                      code = :code, detail = :detail, finished_at = clock_timestamp(), lease_until = NULL
               WHERE id = :id AND state = 'asked' AND attempts = :token""",
            id=request.id,
            token=request.attempts,
            code=code,
            detail=detail,
        )
    )


def record(connection: sa.Connection, request: Request, digest: str, previous: str | None) -> None:
    """Add to the history: from now on ``digest`` is the model's current version."""
    run(
        connection,
        """INSERT INTO model_promotion (name, kind, digest, previous, request_id, promoted_by, why)
           VALUES (:name, :kind, :digest, :previous, :request, :by, :why)""",
        name=request.name,
        kind=request.kind,
        digest=digest,
        previous=previous,
        request=request.id,
        by=request.asked_by,
        why=request.why,
    )


def promoted(connection: sa.Connection) -> dict[str, str]:
    """Digest by name, of the models that were ever promoted."""
    found = rows(connection, "SELECT DISTINCT ON (name) name, digest FROM model_promotion ORDER BY name, id DESC")
    return {each.name: each.digest for each in found}


def current(connection: sa.Connection) -> dict[str, str]:
    """Digest by name that new scans get: of every promoted model, and of every other that a current pipeline names."""
    published = rows(
        connection,
        """SELECT DISTINCT pinned.key AS name, pinned.value AS digest
           FROM current_pipeline c JOIN stage s ON s.pipeline_id = c.pipeline_id, jsonb_each_text(s.models) AS pinned""",
    )
    return {each.name: each.digest for each in published} | promoted(connection)


def history(connection: sa.Connection, name: str) -> list[Promotion]:
    """A model's promotions and rollbacks, the oldest first."""
    found = rows(connection, "SELECT * FROM model_promotion WHERE name = :name ORDER BY id", name=name)
    return [Promotion(**{field: getattr(each, field) for field in Promotion.__dataclass_fields__}) for each in found]


def requests(connection: sa.Connection, name: str, most: int = 20) -> list[Request]:
    """A model's newest requests, the newest first."""
    found = rows(
        connection, "SELECT * FROM model_request WHERE name = :name ORDER BY id DESC LIMIT :most", name=name, most=most
    )
    return [_request(each) for each in found]


def request(connection: sa.Connection, request_id: int) -> Request | None:
    """That request, if there is one."""
    found = row(connection, "SELECT * FROM model_request WHERE id = :id", id=request_id)
    return _request(found) if found else None


def before(past: Sequence[Promotion]) -> str | None:
    """The digest that a rollback leads to; None when there is nothing before.

    A promotion is put on a pile and a rollback takes the top one off, so rolling back twice goes back by two and never
    returns to a version that somebody rolled back from.
    """
    pile: list[str] = []
    for each in past:
        if each.kind == PROMOTE:
            pile = pile or ([each.previous] if each.previous else [])
            pile.append(each.digest)
        else:
            pile.pop()
    return pile[-2] if len(pile) > 1 else None


def _request(r: sa.Row[Any]) -> Request:
    return Request(**{field: getattr(r, field) for field in Request.__dataclass_fields__})
