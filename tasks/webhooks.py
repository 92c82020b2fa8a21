"""Webhooks on their way, as the Standard Webhooks specification has it: signed, tried again for days, under one id.

``control`` runs this in a thread of its own, which claims what is due and hands it to a small pool; neither ever waits
for a receiver. A delivery whose control dies is sent again when its lease ends, so a receiver may see an id twice.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

from standardwebhooks import Webhook

from db import webhook_work
from db.session import Database
from db.webhook_events import TEST_EVENT
from db.webhook_work import Tried, WebhookClaim
from pipeline.errors import WEBHOOK_GONE, WEBHOOK_NOT_TAKEN, ScanmillError, StorageUnavailable
from pipeline.faults import fp
from storage.pinned import Resolver, system_resolver
from storage.post import post
from storage.settings import FetchSettings
from tasks.webhook_settings import WebhookSettings

log = logging.getLogger(__name__)

VERSION = 1
"""Of the payload: it grows when a field changes its meaning, not when one is added."""
AGAIN_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Seconds after each failed attempt but the last, the tenth: three days and a half in all."""
JITTER = 0.2
"""Pauses differ by up to this share, so that what failed together does not come back together."""
PAUSE_S, AWAY_S = 0.5, 2.0
FORGET_EVERY_S = 60.0
GONE = 410


class WebhookSender:
    """Sends what is due. Several may run; each delivery is claimed by one of them."""

    def __init__(
        self,
        database: Database,
        settings: WebhookSettings,
        *,
        fetch: FetchSettings | None = None,
        resolve: Resolver = system_resolver,
    ) -> None:
        self._database = database
        self._settings = settings
        self._rules = settings.rules(fetch)
        self._resolve = resolve
        self._pool = ThreadPoolExecutor(settings.senders, thread_name_prefix="webhook")
        self._under_way: set[Future[None]] = set()
        self._forgot = 0.0

    def run(self, stopping: threading.Event) -> None:
        """Until control stops; what is on its way then ends. Nothing that goes wrong here ends it."""
        while not stopping.is_set():
            pause = PAUSE_S
            try:
                self.turn()
                self._forget()
            except StorageUnavailable as error:
                log.warning("cannot see to webhooks: %s", error.code)
                pause = AWAY_S
            except Exception:
                log.exception("seeing to webhooks failed")
                pause = AWAY_S
            if self._under_way and pause == PAUSE_S:
                wait(self._under_way, PAUSE_S, FIRST_COMPLETED)
            else:
                stopping.wait(pause)
        self.close()

    def turn(self) -> int:
        """Claim what is due and begin to send it, as far as there are free senders; how many."""
        self._under_way = {each for each in self._under_way if not each.done()}
        free = self._settings.senders - len(self._under_way)
        if free <= 0:
            return 0
        with self._database.begin() as connection:
            claims = webhook_work.claim(connection, free, self._settings.each, self._settings.lease_s)
        self._under_way |= {self._pool.submit(self._send, claim) for claim in claims}
        return len(claims)

    def close(self) -> None:
        """Let what is on its way end."""
        self._pool.shutdown()

    def _send(self, claim: WebhookClaim) -> None:
        fp("webhook.after_claim")
        started = time.monotonic()
        status, code = self._attempt(claim)
        tried = Tried(
            status=status,
            code=code,
            duration_ms=round((time.monotonic() - started) * 1000),
            again_in_s=None if code is None else again_in_s(claim, code),
            gone=code == WEBHOOK_GONE and claim.type != TEST_EVENT,
        )
        fp("webhook.after_send")
        try:
            with self._database.begin() as connection:
                webhook_work.finish(connection, claim, tried)
        except ScanmillError as error:
            log.warning("an attempt of webhook %s is not noted: %s", claim.webhook_id, error.code)
        except Exception:
            log.exception("noting an attempt of webhook %s failed", claim.webhook_id)

    def _attempt(self, claim: WebhookClaim) -> tuple[int | None, str | None]:
        """The receiver's status, if it answered, and a code if it did not take it. Nothing of its answer is kept."""
        try:
            body = payload(claim)
            status = post(claim.url, body, headers(claim, body), self._rules, resolve=self._resolve)
        except ScanmillError as error:
            return None, error.code
        except Exception:
            log.exception("an attempt of webhook %s failed", claim.webhook_id)
            return None, ScanmillError.code
        if 200 <= status < 300:
            return status, None
        return status, WEBHOOK_GONE if status == GONE else WEBHOOK_NOT_TAKEN

    def _forget(self) -> None:
        if time.monotonic() - self._forgot < FORGET_EVERY_S:
            return
        with self._database.begin() as connection:
            if not webhook_work.forget(connection, self._settings.keep_days):
                self._forgot = time.monotonic()


def payload(claim: WebhookClaim) -> bytes:
    """The body: the same bytes for every attempt of one delivery."""
    told = {
        "type": claim.type,
        "timestamp": claim.created_at.astimezone(UTC).isoformat(),
        "version": VERSION,
        "data": {**claim.data, "links": _links(claim)},
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _links(claim: WebhookClaim) -> dict[str, str]:
    """Paths below the API's address, for a client with a key."""
    subject = claim.type.partition(".")[0]
    paths = {"scan": "/v1/scans", "batch": "/v1/batches", "training": "/v1/training", "webhook": "/v1/webhooks"}
    links = {subject: f"{paths[subject]}/{claim.data['id']}"}
    if claim.data.get("batch_id"):
        links["batch"] = f"{paths['batch']}/{claim.data['batch_id']}"
    return links


def headers(claim: WebhookClaim, body: bytes) -> dict[str, str]:
    """The three of the specification, signed by each secret that is valid now."""
    return {
        "Content-Type": "application/json",
        "webhook-id": str(claim.id),
        "webhook-timestamp": str(int(claim.now.timestamp())),
        "webhook-signature": " ".join(_signatures(claim.secrets, str(claim.id), claim.now.astimezone(UTC), body)),
    }


def _signatures(secrets: Iterable[str], message_id: str, now: datetime, body: bytes) -> Iterable[str]:
    return (Webhook(secret).sign(message_id, now, body.decode()) for secret in secrets)


def again_in_s(claim: WebhookClaim, code: str) -> float | None:
    """Seconds until the next attempt; None after the last one, for a test, and for a receiver that wants no more."""
    if claim.type == TEST_EVENT or code == WEBHOOK_GONE or claim.refused >= len(AGAIN_S):
        return None
    return AGAIN_S[claim.refused] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
