"""Webhooks on their way to real receivers: signed, tried again, led nowhere, and nobody waits for anybody."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from db import webhooks
from db.webhooks import DeliveryRow, WebhookRow
from storage.settings import FetchSettings
from tasks.webhook_settings import WebhookSettings
from tasks.webhooks import AGAIN_S, JITTER, WebhookSender
from tests.house.tree import ROOT
from tests.ledger import Mill, ok, one_stage
from tests.servers.net import authority
from tests.servers.receiver import Receiver, Reply, receiving
from tests.stack import free_port, until

__all__ = ["authority"]

HOST = "hooks.test"
TLS = Callable[[str], ssl.SSLContext]


def at_home(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@dataclass
class Post:
    """A tenant, its webhooks at receivers, and what sends to them."""

    mill: Mill
    stack: ExitStack
    certificate: Any
    tls: TLS
    allow: set[str] = field(default_factory=set)
    resolve: Callable[[str, int], Sequence[str]] = at_home
    timeout_s: float = 5.0
    scans: int = 0

    def receiver(
        self, reply: Reply | None = None, host: str = HOST, scheme: str = "https"
    ) -> tuple[Receiver, UUID, str]:
        """A receiver of every event, with its webhook's id and secret. The operator allows it by name."""
        tls = self.tls(host) if scheme == "https" else None
        receiver = self.stack.enter_context(receiving(reply, tls))
        self.allow.add(f"{host}:{receiver.port}")
        return receiver, *self.webhook(f"{scheme}://{host}:{receiver.port}/in")

    def webhook(self, url: str) -> tuple[UUID, str]:
        with self.mill.database.begin() as connection:
            made, secret = webhooks.create(connection, self.mill.tenant_id, url=url, events=["*"])
        return made.id, secret

    def scan(self) -> str:
        """A scan that has ended."""
        self.scans += 1
        scan = self.mill.submit(f"picture {self.scans}").scan_id
        (claim,) = self.mill.claim("report")
        self.mill.complete([ok(claim)])
        return str(scan)

    def sender(self, **changes: Any) -> WebhookSender:
        settings = WebhookSettings(**{"allow": frozenset(self.allow), "timeout_s": self.timeout_s, **changes})
        fetch = FetchSettings(url_ca_file=self.certificate)
        made = WebhookSender(self.mill.database, settings, fetch=fetch, resolve=self.resolve)
        self.stack.callback(made.close)
        return made

    def send(self, **changes: Any) -> int:
        """Send what is due and wait for it; how many."""
        sender = self.sender(**changes)
        sent = sender.turn()
        sender.close()
        return sent

    def due(self) -> None:
        """Let what waits be due now."""
        self.mill.execute("UPDATE webhook_delivery SET next_at = clock_timestamp() WHERE lease_until IS NULL")

    def log(self, webhook: UUID) -> list[DeliveryRow]:
        with self.mill.database.begin() as connection:
            return webhooks.deliveries(connection, self.mill.tenant_id, webhook)

    def shown(self, webhook: UUID) -> WebhookRow:
        with self.mill.database.begin() as connection:
            found = webhooks.get(connection, self.mill.tenant_id, webhook)
        assert found is not None
        return found


@pytest.fixture
def post(database: Any, authority: Any) -> Iterator[Post]:
    mill = Mill(database)
    mill.publish(one_stage())
    with ExitStack() as stack:
        yield Post(mill, stack, authority.certificate, authority.server)


def test_what_arrives_is_what_the_specification_says(post: Post) -> None:
    receiver, webhook, secret = post.receiver()
    scan = post.scan()
    assert post.send() == 1
    (message,) = receiver.messages
    told = message.verified(secret)
    assert told == {
        "type": "scan.succeeded",
        "timestamp": told["timestamp"],
        "version": 1,
        "data": {
            "id": scan, "status": "succeeded", "code": None, "system": "single", "batch_id": None, "custom_id": None,
            "links": {"scan": f"/v1/scans/{scan}"},
        },
    }  # fmt: skip
    assert message.headers["content-type"] == "application/json" and message.path == "/in"
    (delivery,) = post.log(webhook)
    assert (delivery.state, str(delivery.id)) == ("delivered", message.id)
    (line,) = delivery.tries
    assert (line["attempt"], line["status"], line["code"]) == (1, 204, None) and line["duration_ms"] >= 0
    assert post.send() == 0


def test_a_body_that_was_changed_or_another_secret_is_not_believed(post: Post) -> None:
    receiver, _, secret = post.receiver()
    post.scan()
    post.send()
    (message,) = receiver.messages
    for body, key in ((message.body + b" ", secret), (message.body, webhooks.new_secret())):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, message.headers)


def test_what_is_not_taken_is_tried_again_with_growing_pauses_under_the_same_id_and_body(post: Post) -> None:
    receiver, webhook, secret = post.receiver(lambda number, _: 500 if number < 11 else 204)
    post.scan()
    for turn, pause in enumerate(AGAIN_S, 1):
        assert post.send() == 1
        (found,) = post.mill.query(
            "SELECT state, extract(epoch FROM next_at - clock_timestamp()) AS wait FROM webhook_delivery"
        )
        assert found.state == "waiting"
        assert pause * (1 - JITTER) - 5 <= float(found.wait) <= pause * (1 + JITTER), f"after attempt {turn}"
        assert post.send() == 0
        post.due()
    assert post.send() == 1
    (delivery,) = post.log(webhook)
    assert (delivery.state, delivery.attempts) == ("failed", 10)
    assert {(each["status"], each["code"]) for each in delivery.tries} == {(500, "WEBHOOK_NOT_TAKEN")}
    with post.mill.database.begin() as connection:
        webhooks.redeliver(connection, post.mill.tenant_id, webhook, delivery.id)
    assert post.send() == 1
    assert post.log(webhook)[0].state == "delivered"
    assert len({(each.id, each.body) for each in receiver.messages}) == 1
    assert all(each.verified(secret) for each in receiver.messages)


def test_after_a_rotation_both_secrets_are_believed(post: Post) -> None:
    receiver, webhook, old = post.receiver()
    with post.mill.database.begin() as connection:
        rotated = webhooks.rotate(connection, post.mill.tenant_id, webhook)
    assert rotated is not None
    post.scan()
    post.send()
    (message,) = receiver.messages
    assert message.verified(old) == message.verified(rotated[1])
    post.mill.execute("UPDATE webhook SET old_secret_until = clock_timestamp()")
    post.scan()
    post.send()
    with pytest.raises(WebhookVerificationError):
        receiver.messages[1].verified(old)
    assert receiver.messages[1].verified(rotated[1])


def test_a_slow_receiver_holds_nobody_up(post: Post) -> None:
    release = threading.Event()
    slow, slow_webhook, _ = post.receiver(lambda *_: 204 if release.wait(60) else 503)
    quick, _, _ = post.receiver(host="other.test")
    for _ in range(8):
        post.scan()
    sender = post.sender(senders=6, each=3, timeout_s=60)
    until(lambda: bool(sender.turn() >= 0 and len(quick.messages) >= 8), 30)
    assert len(slow.messages) == 3, "its own share and no more"
    assert all(each.state == "waiting" for each in post.log(slow_webhook))
    release.set()


def test_who_never_answers_is_given_up_in_time_and_tried_one_by_one(post: Post) -> None:
    release = threading.Event()
    _, webhook, _ = post.receiver(lambda *_: 204 if release.wait(60) else 503)
    for _ in range(3):
        post.scan()
    began = time.monotonic()
    assert post.send(timeout_s=0.5) == 3
    assert time.monotonic() - began < 20
    codes = [each.tries[0]["code"] for each in post.log(webhook)]
    assert codes == ["URL_TIMEOUT"] * 3
    post.due()
    assert post.send(timeout_s=0.5) == 1
    release.set()


def test_a_redirect_is_not_followed(post: Post) -> None:
    inside = post.stack.enter_context(receiving())
    receiver, webhook, _ = post.receiver(lambda *_: 307, scheme="http")
    receiver.location = f"http://127.0.0.1:{inside.port}/"
    post.scan()
    post.send()
    assert (len(receiver.messages), inside.messages) == (1, [])
    (line,) = post.log(webhook)[0].tries
    assert (line["status"], line["code"]) == (307, "WEBHOOK_NOT_TAKEN")


def test_gone_disables_the_webhook_and_the_rest_waits(post: Post) -> None:
    receiver, webhook, _ = post.receiver(lambda *_: 410)
    post.scan()
    assert post.send(each=1) == 1
    post.scan()
    off = post.shown(webhook)
    assert off.disabled_code == "WEBHOOK_GONE"
    assert post.send() == 0 and len(receiver.messages) == 1
    assert [each.state for each in post.log(webhook)] == ["failed"], "what happens while it is off is not written down"


def test_a_name_that_leads_inside_at_delivery_is_not_connected_to(post: Post) -> None:
    """Rebinding: the name was fine when the webhook was made. A server inside waits on the port; nobody comes."""
    inside = post.stack.enter_context(receiving())
    post.resolve = lambda host, port: ["203.0.113.7", "10.0.0.1"] if host == "twice.example.com" else ["127.0.0.1"]
    hooks = [post.webhook(f"https://{host}/")[0] for host in ("rebound.example.com", "twice.example.com")]
    post.scan()
    assert post.send() == 2
    for webhook in hooks:
        (delivery,) = post.log(webhook)
        assert (delivery.state, delivery.tries[0]["code"]) == ("waiting", "URL_ADDRESS_NOT_ALLOWED")
        assert delivery.tries[0]["status"] is None
    assert inside.messages == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.com/", "WEBHOOK_NEEDS_HTTPS"),
        ("https://10.0.0.1/", "URL_ADDRESS_NOT_ALLOWED"),
        ("https://hooks.example.com:8443/", "URL_PORT_NOT_ALLOWED"),
        ("https://localhost.internal/", "URL_ADDRESS_NOT_ALLOWED"),
    ],
)
def test_an_address_that_the_operator_no_longer_allows_is_refused_at_delivery(post: Post, url: str, code: str) -> None:
    webhook, _ = post.webhook(url)
    post.scan()
    post.send()
    assert post.log(webhook)[0].tries[0]["code"] == code


def test_a_certificate_that_is_not_believed_ends_the_attempt(post: Post) -> None:
    receiver = post.stack.enter_context(receiving(tls=post.tls("another.test")))
    post.allow.add(f"{HOST}:{receiver.port}")
    webhook, _ = post.webhook(f"https://{HOST}:{receiver.port}/")
    post.scan()
    post.send()
    assert post.log(webhook)[0].tries[0]["code"] == "URL_TLS_FAILED"
    assert receiver.messages == []


def test_a_test_event_is_tried_once(post: Post) -> None:
    receiver, webhook, secret = post.receiver(lambda *_: 500)
    with post.mill.database.begin() as connection:
        webhooks.ping(connection, post.mill.tenant_id, webhook)
    assert post.send() == 1
    assert receiver.messages[0].verified(secret)["type"] == "webhook.test"
    assert [each.state for each in post.log(webhook)] == ["failed"]


def test_several_controls_share_the_work_and_send_each_delivery_once(post: Post) -> None:
    receiver, webhook, _ = post.receiver()
    for _ in range(30):
        post.scan()
    senders = [post.sender() for _ in range(3)]
    until(lambda: sum(each.turn() for each in senders) == 0 and len(receiver.messages) >= 30, 30)
    for each in senders:
        each.close()
    assert len(receiver.messages) == len({each.id for each in receiver.messages}) == 30
    assert {each.state for each in post.log(webhook)} == {"delivered"}


def test_no_secret_and_no_address_reaches_the_log(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, webhook, secret = post.receiver(lambda *_: 500)
    refused, _ = post.webhook("https://10.0.0.1/?token=hunter2")
    post.scan()
    post.send()
    written = caplog.text + json.dumps([each.tries for hook in (webhook, refused) for each in post.log(hook)])
    assert secret not in written and secret[6:] not in written and "hunter2" not in written


def test_the_receiver_in_the_docs_verifies_and_does_each_event_once(post: Post) -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    port = free_port()
    post.allow.add(f"{HOST}:{port}")
    webhook, secret = post.webhook(f"http://{HOST}:{port}/")
    scan = post.scan()
    environment = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            until(lambda: listens(port), 20)
            post.send()
            with post.mill.database.begin() as connection:
                (first,) = webhooks.deliveries(connection, post.mill.tenant_id, webhook)
                webhooks.redeliver(connection, post.mill.tenant_id, webhook, first.id)
            post.send()
            refused = httpx.post(f"http://127.0.0.1:{port}/", content=b"{}", headers={"webhook-id": "x"})
        finally:
            running.terminate()
        assert running.stdout is not None
        assert running.stdout.read() == f"scan.succeeded {scan}\n"
    assert refused.status_code == 401
    assert [(each.state, len(each.tries)) for each in post.log(webhook)] == [("delivered", 2)]


def listens(port: int) -> bool:
    with socket.socket() as door:
        return door.connect_ex(("127.0.0.1", port)) == 0
