"""Promotion and rollback, decided by ``control``: verify in a child, then change one row and publish, all at once.

New scans get the new version from that commit on. Scans that were accepted before keep the pipeline version they pinned,
and with it the model: workers hold several versions side by side. Nothing is restarted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from db import model_promotions, model_versions, pipelines
from db.model_promotions import PROMOTE, Request
from db.session import Database
from pipeline.definition import Pipeline
from pipeline.errors import AlreadyCurrent, NoEarlierVersion, VerificationCrashed
from tasks.control import publish_current
from tasks.registry import ModelLoader
from tasks.verify import EACH_S, START_S, Job, Verdict

log = logging.getLogger(__name__)

LEASE_S = START_S + EACH_S + 30
"""Longer than a verification can take; who is gone by then is not coming back."""

AGAIN_S = 2.0

Verify = Callable[[Job], Verdict]


class PromotionDesk:
    """Takes requests one by one. Several desks may be open: each request is taken by one of them."""

    def __init__(self, database: Database, known: Iterable[Pipeline], room: ModelLoader, verify: Verify) -> None:
        self._database = database
        self._known = list(known)
        self._room = room
        self._verify = verify

    def turn(self) -> bool:
        """Settle the oldest request. False when there is none. Raises StorageUnavailable; then it is taken again."""
        with self._database.begin() as connection:
            request = model_promotions.take(connection, LEASE_S)
        if request is None:
            return False
        if request.attempts > model_promotions.MOST_ATTEMPTS:
            self._refuse(request, Verdict(VerificationCrashed.code, "whoever verified it died, again and again"))
            return True
        with self._database.begin() as connection:
            beside = model_promotions.current(connection).get(request.name)
            past = model_promotions.history(connection, request.name)
        target = request.digest if request.kind == PROMOTE else model_promotions.before(past)
        if target is None:
            self._refuse(request, Verdict(NoEarlierVersion.code, f"{request.name} was never promoted"))
        elif target == beside:
            self._refuse(request, Verdict(AlreadyCurrent.code, f"{request.name} {target[:12]} is current"))
        else:
            self._settle(request, target, beside)
        return True

    def _settle(self, request: Request, target: str, beside: str | None) -> None:
        """A version that was current once is only loaded again; a new one is held to its goldens and compared."""
        promote = request.kind == PROMOTE
        verdict = self._verify(
            Job(
                request.name,
                target,
                beside=beside if promote else None,
                relabel=request.relabel,
                needs_goldens=promote,
            )
        )
        if verdict.again:
            log.warning("verification of %s is put off: %s", request.name, verdict.detail)
            with self._database.begin() as connection:
                model_promotions.hand_back(connection, request, AGAIN_S)
        elif verdict.code is not None:
            self._refuse(request, verdict, target)
        else:
            self._promote(request, target, beside, verdict)

    def _promote(self, request: Request, target: str, beside: str | None, verdict: Verdict) -> None:
        """One transaction, under the lock of whoever publishes: the row, the pipelines, the request's end."""
        with self._database.begin() as connection:
            pipelines.lock(connection)
            if model_promotions.current(connection).get(request.name) != beside:
                model_promotions.hand_back(connection, request, 0.0)  # it was compared with what is current no more
                return
            if not model_promotions.finish(connection, request, None, verdict.detail):
                return
            model_versions.judge(connection, request.name, target, None, verdict.detail)
            model_promotions.record(connection, request, target, beside)
            publish_current(connection, self._known, self._room)
        log.info("%s of %s to %s: %s", request.kind, request.name, target[:12], verdict.detail)

    def _refuse(self, request: Request, verdict: Verdict, target: str | None = None) -> None:
        with self._database.begin() as connection:
            if target is not None and request.kind == PROMOTE:
                model_versions.judge(connection, request.name, target, verdict.code, verdict.detail)
            model_promotions.finish(connection, request, verdict.code, verdict.detail)
        log.warning("%s of %s refused: %s: %s", request.kind, request.name, verdict.code, verdict.detail)
