"""Webhooks on a real ledger: an event is written down once per webhook that wants it, with the event itself, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from db import batch_again, batch_ends, batches, scans, tenants, training_runs, training_work, webhook_work, webhooks
from db.batch_views import Which
from db.batches import NewBatch, NewItem
from db.training_runs import NewRun
from db.training_work import End
from db.webhook_work import Tried, WebhookClaim
from pipeline.contracts import RunState
from pipeline.errors import TooManyWebhooks, WebhookDisabled
from tests.ledger import Mill, digest, ends, ok, one_stage

GOOD = Tried(status=204, code=None, duration_ms=3)
BAD = Tried(status=500, code="WEBHOOK_NOT_TAKEN", duration_ms=3, again_in_s=0.0)


@pytest.fixture
def mill(mill: Mill) -> Mill:
    mill.publish(one_stage())
    return mill


def made(mill: Mill, *events: str, tenant: UUID | None = None, **more: Any) -> UUID:
    with mill.database.begin() as connection:
        found, _ = webhooks.create(
            connection, tenant or mill.tenant_id, url="https://hooks.example.com/", events=events or ("*",), **more
        )
    return found.id


def told(mill: Mill) -> list[tuple[str, str]]:
    """Event and subject of every delivery, in order."""
    return [
        (r.type, r.data["id"]) for r in mill.query("SELECT type, data FROM webhook_delivery ORDER BY created_at, id")
    ]


def scanned(mill: Mill, picture: str, code: str | None = None, **more: Any) -> UUID:
    scan = mill.submit(picture, **more).scan_id
    (claim,) = mill.claim("report")
    mill.complete([ends(claim, RunState.FAILED, code) if code else ok(claim)])
    return scan


def claimed(mill: Mill, limit: int = 100, each: int = 4, lease_s: float = 30) -> list[WebhookClaim]:
    with mill.database.begin() as connection:
        return webhook_work.claim(connection, limit, each, lease_s)


def finished(mill: Mill, claim: WebhookClaim, tried: Tried) -> bool:
    with mill.database.begin() as connection:
        return webhook_work.finish(connection, claim, tried)


def shown(mill: Mill, webhook: UUID) -> webhooks.WebhookRow:
    with mill.database.begin() as connection:
        found = webhooks.get(connection, mill.tenant_id, webhook)
    assert found is not None
    return found


@contextmanager
def statements(mill: Mill) -> Iterator[list[str]]:
    """What is sent to the server meanwhile, preparations left out."""
    sent: list[str] = []

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        if not statement.startswith("PREPARE"):
            sent.append(statement)

    sa.event.listen(mill.database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(mill.database.engine, "before_cursor_execute", note)


def test_each_end_is_told_once_to_each_webhook_that_wants_it(mill: Mill) -> None:
    everything, failures = made(mill), made(mill, "scan.failed", "batch.finished")
    made(mill, "scan.*", system="another")
    made(mill, tenant=other_tenant(mill))
    good, bad = scanned(mill, "a"), scanned(mill, "b", "INTERNAL_ERROR")
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, mill.submit("c").scan_id)
        scans.cancel(connection, mill.tenant_id, good)  # has ended: nothing happens, nothing is told
    found = mill.query("SELECT webhook_id, type, data FROM webhook_delivery ORDER BY created_at, id")
    assert [(r.type, r.data["id"]) for r in found if r.webhook_id == everything][:2] == [
        ("scan.succeeded", str(good)),
        ("scan.failed", str(bad)),
    ]
    assert [r.type for r in found if r.webhook_id == everything][2:] == ["scan.cancelled"]
    assert [(r.type, r.data["id"]) for r in found if r.webhook_id == failures] == [("scan.failed", str(bad))]
    assert len(found) == 4
    assert found[1].data == {
        "id": str(bad), "status": "failed", "code": "INTERNAL_ERROR", "system": "single", "batch_id": None,
        "custom_id": None,
    }  # fmt: skip


def other_tenant(mill: Mill) -> UUID:
    with mill.database.begin() as connection:
        return tenants.create_tenant(connection, "another")


def test_a_picture_that_was_answered_before_ends_at_once_and_is_told(mill: Mill) -> None:
    scanned(mill, "a")
    made(mill)
    again = mill.submit("a")
    assert told(mill) == [("scan.succeeded", str(again.scan_id))]


def test_what_is_rolled_back_was_never_told(mill: Mill) -> None:
    made(mill)
    scan = mill.submit("a").scan_id
    with mill.database.engine.connect() as connection:
        scans.cancel(connection, mill.tenant_id, scan)
        connection.rollback()
    assert told(mill) == [] and mill.status(scan) == "queued"
    mill.finish()
    assert told(mill) == [("scan.succeeded", str(scan))]


def test_nothing_is_told_to_a_webhook_that_is_disabled_or_deleted(mill: Mill) -> None:
    off, gone = made(mill), made(mill)
    with mill.database.begin() as connection:
        webhooks.change(connection, mill.tenant_id, off, enabled=False)
        webhooks.delete(connection, mill.tenant_id, gone)
    scanned(mill, "a")
    assert told(mill) == []


def test_an_end_costs_no_statement_more_with_webhooks_or_without(mill: Mill) -> None:
    def cost(picture: str) -> list[str]:
        mill.submit(picture)
        (claim,) = mill.claim("report")
        with statements(mill) as sent:
            mill.complete([ok(claim)])
        return [each.split("(")[0] for each in sent]

    cost("warm")
    without = cost("a")
    made(mill)
    assert cost("b") == without
    assert len(told(mill)) == 1


def test_an_end_that_is_told_is_found_by_index_whatever_the_tables_hold(mill: Mill) -> None:
    """No statement of an end reads a table from its beginning, not even when it was planned on an empty one."""
    made(mill)
    scanned(mill, "a")
    with mill.database.begin() as connection:
        prepared = connection.exec_driver_sql("SELECT name, statement FROM pg_prepared_statements").all()
        (name,) = [each.name for each in prepared if "told_webhooks" in each.statement]
        plan = "\n".join(r[0] for r in connection.exec_driver_sql(f"EXPLAIN EXECUTE {name} ('[]','[]','[]','[]','[]')"))
    (told_part,) = re.findall(r"CTE told_webhooks.*?(?=\n  ->)", plan, re.DOTALL)
    assert re.search(
        r"Index Scan using webhook_\w+_idx on webhook .*\n\s*Index Cond: \(tenant_id = e_1.tenant_id\)", told_part
    )
    assert "Index Scan using batch_item_scan_idx" in told_part and "Seq Scan" not in told_part


def test_a_batch_tells_each_of_its_ends(mill: Mill) -> None:
    made(mill, "batch.finished")
    with mill.database.begin() as connection:
        batch, _ = batches.create(connection, NewBatch(tenant_id=mill.tenant_id, system="single"))
        batches.append(connection, mill.tenant_id, batch, [NewItem(custom_id="x", ref="k", sha256=digest("x"))])
        batches.finalise(connection, mill.tenant_id, batch)
    control(mill)
    assert told(mill) == []
    admitted(mill, "INTERNAL_ERROR")
    control(mill)
    control(mill)
    assert told(mill) == [("batch.finished", str(batch))]
    with mill.database.begin() as connection:
        assert batch_again.retry_page(connection, mill.tenant_id, batch, Which(), {}) == 1
    admitted(mill)
    control(mill)
    found = mill.query("SELECT data FROM webhook_delivery ORDER BY created_at")
    assert [r.data["state"] for r in found] == ["partial", "succeeded"]
    assert found[0].data == {"id": str(batch), "state": "partial", "code": None, "system": "single"}


def control(mill: Mill) -> None:
    with mill.database.begin() as connection:
        batch_ends.finish(connection)


def admitted(mill: Mill, code: str | None = None) -> None:
    with mill.database.begin() as connection:
        scans.expand(connection, [r.id for r in mill.query("SELECT id FROM scan WHERE admitted_at IS NULL")])
    claims = mill.claim("report")
    mill.complete([ends(each, RunState.FAILED, code) if code else ok(each) for each in claims])


def test_a_line_of_a_batch_is_told_with_its_name(mill: Mill) -> None:
    made(mill, "scan.*")
    with mill.database.begin() as connection:
        batch, _ = batches.create(connection, NewBatch(tenant_id=mill.tenant_id, system="single"))
        batches.append(connection, mill.tenant_id, batch, [NewItem(custom_id="x.jpg", ref="k", sha256=digest("x"))])
    admitted(mill)
    (found,) = mill.query("SELECT data FROM webhook_delivery")
    assert (found.data["custom_id"], found.data["batch_id"]) == ("x.jpg", str(batch))


def test_trainings_tell_their_ends(mill: Mill) -> None:
    made(mill, "training.*")
    made(mill, "training.*", system="single")  # a training has no system
    with mill.database.begin() as connection:
        training_runs.announce(connection, {"areas": "Five heads."})
        new = NewRun(tenant_id=mill.tenant_id, recipe="areas", parameters={}, asked_by="test")
        first, second, third = (training_runs.submit(connection, new)[0] for _ in range(3))
        held = training_work.claim(connection, uuid4(), ["areas"], 60, [str(first.id)])
        assert held is not None
        training_work.finish(connection, held, End("succeeded"))
        training_runs.cancel(connection, mill.tenant_id, second.id)
        for _ in range(training_work.MOST_DEATHS):
            lost = training_work.claim(connection, uuid4(), ["areas"], 60, [str(third.id)])
            assert lost is not None
            training_work.hand_back(connection, lost, died=True)
    assert sorted(told(mill)) == [
        ("training.cancelled", str(second.id)),
        ("training.failed", str(third.id)),
        ("training.succeeded", str(first.id)),
    ]


def test_a_delivery_is_claimed_once_and_a_webhook_never_takes_more_than_its_share(mill: Mill) -> None:
    busy, quiet = made(mill, "scan.succeeded"), made(mill, "scan.failed")
    for n in range(6):
        scanned(mill, f"{n}")
    scanned(mill, "bad", "INTERNAL_ERROR")
    first = claimed(mill, each=4)
    assert sorted(str(each.webhook_id) for each in first) == sorted([str(busy)] * 4 + [str(quiet)])
    assert claimed(mill, each=4) == []
    assert finished(mill, first[0], GOOD)
    assert len(claimed(mill, each=4)) == (1 if first[0].webhook_id == busy else 0)


def test_two_controls_claim_at_once_without_waiting_for_each_other(mill: Mill) -> None:
    made(mill)
    for n in range(6):
        scanned(mill, f"{n}")
    with mill.database.begin() as connection:
        first = webhook_work.claim(connection, 3, 3, 30)
        second = claimed(mill, each=3)
    assert (len(first), len(second)) == (3, 3)
    assert len({each.id for each in [*first, *second]}) == 6


def test_a_webhook_that_fails_is_tried_one_by_one(mill: Mill) -> None:
    made(mill)
    for n in range(3):
        scanned(mill, f"{n}")
    (first,) = claimed(mill, limit=1)
    finished(mill, first, BAD)
    assert len(claimed(mill)) == 1
    assert claimed(mill) == []


def test_a_lease_that_ran_out_is_claimed_again_and_its_holder_is_fenced_out(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    (lost,) = claimed(mill, lease_s=0.01)
    mill.execute("SELECT pg_sleep(0.05)")
    (held,) = claimed(mill)
    assert (held.id, held.number, held.refused) == (lost.id, 2, 0)
    assert not finished(mill, lost, BAD)
    assert finished(mill, held, GOOD)
    assert not finished(mill, held, GOOD)
    assert (shown(mill, webhook).delivered, shown(mill, webhook).failures) == (1, 0)
    assert claimed(mill) == []


def test_an_attempt_that_failed_waits_and_one_that_was_the_last_does_not(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    finished(mill, claimed(mill)[0], Tried(500, "WEBHOOK_NOT_TAKEN", 1, again_in_s=60))
    assert claimed(mill) == []
    assert shown(mill, webhook).failing_since is not None
    (waiting,) = listed(mill, webhook, state="waiting")
    assert waiting.next_at is not None and [each["code"] for each in waiting.tries] == ["WEBHOOK_NOT_TAKEN"]
    mill.execute("UPDATE webhook_delivery SET next_at = clock_timestamp()")
    finished(mill, claimed(mill)[0], Tried(None, "URL_TIMEOUT", 1))
    assert [each.state for each in listed(mill, webhook)] == ["failed"]
    assert claimed(mill) == []


def listed(mill: Mill, webhook: UUID, **which: Any) -> list[webhooks.DeliveryRow]:
    with mill.database.begin() as connection:
        return webhooks.deliveries(connection, mill.tenant_id, webhook, **which)


def test_a_redelivery_goes_out_again_under_its_id_with_the_whole_schedule(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    (first,) = claimed(mill)
    assert again(mill, webhook, first.id).state == "waiting"
    assert claimed(mill) == [], "on its way, so it is left alone"
    finished(mill, first, Tried(500, "WEBHOOK_NOT_TAKEN", 1))
    assert again(mill, webhook, first.id).state == "waiting"
    (second,) = claimed(mill)
    assert (second.id, second.number, second.refused) == (first.id, 2, 0)
    finished(mill, second, GOOD)
    assert [each["attempt"] for each in listed(mill, webhook)[0].tries] == [1, 2]


def again(mill: Mill, webhook: UUID, delivery: UUID) -> webhooks.DeliveryRow:
    with mill.database.begin() as connection:
        found = webhooks.redeliver(connection, mill.tenant_id, webhook, delivery)
    assert found is not None
    return found


def test_the_log_of_one_delivery_is_bounded(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    for _ in range(webhook_work.MOST_TRIES + 3):
        finished(mill, claimed(mill)[0], BAD)
    tries = listed(mill, webhook)[0].tries
    assert [each["attempt"] for each in tries] == list(range(4, webhook_work.MOST_TRIES + 4))


def test_a_webhook_that_failed_for_days_is_disabled_and_says_why_until_it_is_enabled(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    finished(mill, claimed(mill)[0], BAD)
    assert shown(mill, webhook).disabled_code is None
    mill.execute("UPDATE webhook SET failing_since = clock_timestamp() - interval '73 hours'")
    finished(mill, claimed(mill)[0], BAD)
    off = shown(mill, webhook)
    assert (off.disabled_code, off.disabled_at is None) == ("WEBHOOK_FAILING", False)
    assert claimed(mill) == []
    with mill.database.begin() as connection, pytest.raises(WebhookDisabled):
        webhooks.ping(connection, mill.tenant_id, webhook)
    with mill.database.begin() as connection:
        webhooks.change(connection, mill.tenant_id, webhook, enabled=True)
    on = shown(mill, webhook)
    assert (on.disabled_at, on.disabled_code, on.failing_since) == (None, None, None)
    assert len(claimed(mill)) == 1, "what waited goes on"


def test_a_success_forgets_that_it_failed(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    finished(mill, claimed(mill)[0], BAD)
    finished(mill, claimed(mill)[0], GOOD)
    assert shown(mill, webhook).failing_since is None


def test_old_deliveries_and_those_of_deleted_webhooks_are_removed_in_pages(mill: Mill) -> None:
    kept, gone = made(mill), made(mill)
    for n in range(3):
        scanned(mill, f"{n}")
    mill.execute(
        """UPDATE webhook_delivery SET id = uuidv7(interval '-31 days')
           WHERE id = (SELECT id FROM webhook_delivery WHERE webhook_id = :id ORDER BY id LIMIT 1)""",
        id=kept,
    )
    with mill.database.begin() as connection:
        webhooks.delete(connection, mill.tenant_id, gone)
    pages = []
    while not pages or pages[-1]:
        with mill.database.begin() as connection:
            pages.append(webhook_work.forget(connection, 30, page=2))
    assert sum(pages) == 4 and max(pages) <= 2
    assert len(listed(mill, kept)) == 2


def test_a_deleted_webhook_leaves_neither_address_nor_secret(mill: Mill) -> None:
    webhook = made(mill, description="for whom")
    with mill.database.begin() as connection:
        assert webhooks.rotate(connection, mill.tenant_id, webhook)
        assert webhooks.delete(connection, mill.tenant_id, webhook)
        assert not webhooks.delete(connection, mill.tenant_id, webhook)
        assert webhooks.get(connection, mill.tenant_id, webhook) is None
    (left,) = mill.query("SELECT url, secret, old_secret, description FROM webhook")
    assert tuple(left) == ("", "", None, None)


def test_the_old_secret_signs_for_a_day(mill: Mill) -> None:
    webhook = made(mill)
    scanned(mill, "a")
    with mill.database.begin() as connection:
        rotated = webhooks.rotate(connection, mill.tenant_id, webhook)
    assert rotated is not None
    (held,) = claimed(mill, lease_s=0.01)
    assert held.secrets[0] == rotated[1] and len(set(held.secrets)) == 2
    mill.execute("UPDATE webhook SET old_secret_until = clock_timestamp()")
    mill.execute("SELECT pg_sleep(0.05)")
    assert claimed(mill)[0].secrets == (rotated[1],)


def test_a_tenant_has_a_bounded_number_of_webhooks(mill: Mill) -> None:
    first, *_ = [made(mill) for _ in range(webhooks.MOST_WEBHOOKS)]
    with pytest.raises(TooManyWebhooks):
        made(mill)
    made(mill, tenant=other_tenant(mill))
    with mill.database.begin() as connection:
        webhooks.delete(connection, mill.tenant_id, first)
    made(mill)


def test_figures_count_attempts_and_the_oldest_that_waits(mill: Mill) -> None:
    made(mill)
    for n in range(2):
        scanned(mill, f"{n}")
    mill.execute("UPDATE webhook_delivery SET created_at = created_at - interval '1 hour'")
    one, two = claimed(mill)
    finished(mill, one, GOOD)
    finished(mill, two, BAD)
    with mill.database.begin() as connection:
        figures = webhook_work.figures(connection)
    assert (figures["delivered"], figures["failed"]) == (1, 1)
    assert 3_600 <= figures["waiting_s"] < 3_700
