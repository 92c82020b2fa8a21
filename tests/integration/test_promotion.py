"""The desk that promotes, on real Postgres and storage, with real networks verified in real child processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db import model_promotions, model_versions
from db.model_promotions import PROMOTE, ROLLBACK, Promotion
from db.session import Database
from pipeline.systems import PIPELINES
from storage.keys import model_key
from tasks import control
from tasks.promotion import PromotionDesk
from tasks.verify import Job, Verdict, verify
from tests.model_shop import NAME, Shop, mirrored, open_shop, stricter
from tests.unit.pipeline import tiny_models as tiny


@pytest.fixture
def shop(
    database: Database, database_url: str, storage_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    shop = open_shop(database, storage_dir, tmp_path / "shop")
    for name, value in shop.settings(database_url, storage_dir).items():
        monkeypatch.setenv(name, value)
    return shop


def history(shop: Shop) -> list[Promotion]:
    with shop.database.begin() as connection:
        return model_promotions.history(connection, NAME)


def test_a_version_is_promoted_and_rolled_back(shop: Shop) -> None:
    new = shop.register(stricter(0.3), "2").digest
    desk = shop.desk()
    assert desk.turn() is False
    asked = shop.ask(PROMOTE, new)
    assert desk.turn() is True and desk.turn() is False
    done = shop.request(asked)
    assert (done.state, done.code) == ("done", None), done
    assert done.detail is not None and "12 golden pictures to the bit; beside" in done.detail
    assert shop.published() == new
    assert shop.row(new).state == "verified" and shop.row(new).verified_at is not None
    back = shop.ask(ROLLBACK)
    desk.turn()
    assert shop.request(back).state == "done" and shop.published() == shop.first
    again = shop.ask(ROLLBACK)
    desk.turn()
    assert (shop.request(again).state, shop.request(again).code) == ("refused", "NO_EARLIER_VERSION")
    told = [(each.kind, each.digest, each.previous, each.promoted_by, each.why) for each in history(shop)]
    assert told == [
        (PROMOTE, new, shop.first, "tester", "a test"),
        (ROLLBACK, shop.first, new, "tester", "a test"),
    ]


SWAPPED = '["cat", "not_cat"]'
HOSTILE: dict[str, tuple[bytes, Callable[[str], str], str]] = {
    "swapped classes": (mirrored(), lambda text: text, "LABELS_SWAPPED"),
    "swapped names": (
        tiny.validator(),
        lambda text: text.replace('["not_cat", "cat"]', SWAPPED),
        "LABELS_SWAPPED",
    ),
    "other names": (stricter(0.3), lambda text: text.replace('"not_cat"', '"dog"'), "LABELS_CHANGED"),
    "no threshold": (
        stricter(0.3),
        lambda text: text.replace("[model.thresholds]\nsubject = 0.7", ""),
        "FAMILY_CHANGED",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_version_is_refused_and_the_current_one_stays(shop: Shop, name: str) -> None:
    content, change, code = HOSTILE[name]
    row = shop.register(content, "2", change=change)
    refused_with(shop, row.digest, code)


def refused_with(shop: Shop, digest: str, code: str, **how: Any) -> None:
    asked = shop.ask(PROMOTE, digest)
    assert shop.desk(**how).turn() is True
    refused = shop.request(asked)
    assert (refused.state, refused.code) == ("refused", code), refused
    assert shop.published() == shop.first and history(shop) == []
    assert (shop.row(digest).state, shop.row(digest).code) == ("refused", code)


def test_a_version_without_goldens_is_refused(shop: Shop) -> None:
    refused_with(shop, shop.register(stricter(0.3), "2", goldens=None).digest, "GOLDENS_MISSING")


def test_goldens_that_it_does_not_reproduce_refuse_a_version(shop: Shop) -> None:
    """The record names the version, but was made of another one."""
    entry, _ = shop.version(stricter(0.3), "2")
    _, other = shop.version(stricter(2.0), "3")
    row = shop.register(stricter(0.3), "2", goldens={**other, "digest": entry.digest})
    refused_with(shop, row.digest, "GOLDENS_NOT_REPRODUCED")


def test_another_file_under_its_name_in_storage_is_refused(shop: Shop, storage_dir: Path) -> None:
    row = shop.register(stricter(0.3), "2")
    (storage_dir / model_key(row.sha256)).write_bytes(stricter(0.4))
    refused_with(shop, row.digest, "MODEL_LOAD_ERROR")


@pytest.mark.parametrize("point", ["verify.before", "verify.after"])
def test_a_native_crash_while_verifying_kills_nobody_and_promotes_nothing(shop: Shop, point: str) -> None:
    row = shop.register(stricter(0.3), "2")
    plan = f'[{{"point": "{point}", "action": "segv"}}]'
    refused_with(shop, row.digest, "VERIFICATION_CRASHED", fault_plan=plan, env="test")
    asked = shop.ask(PROMOTE, row.digest)
    shop.desk().turn()
    assert shop.request(asked).state == "done", "it was the crash, not the version"


def test_verification_that_hangs_is_ended(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.verify.START_S", 5.0)
    row = shop.register(stricter(0.3), "2")
    plan = '[{"point": "verify.before", "action": "sleep:600"}]'
    refused_with(shop, row.digest, "VERIFICATION_TIMEOUT", fault_plan=plan, env="test", each_s=1.0)


def test_one_that_crashes_does_not_take_the_others_verdicts(shop: Shop) -> None:
    plan = '[{"point": "verify.before", "action": "segv", "nth": 2}]'
    jobs = [Job(name, digest, needs_goldens=False) for name, digest in sorted(shop.room.digests().items())[:3]]
    verdicts = verify(jobs, ledger=False, fault_plan=plan, env="test")
    assert [each.code for each in verdicts] == [None, "VERIFICATION_CRASHED", None]


def test_other_labels_are_taken_when_they_are_meant(shop: Shop) -> None:
    row = shop.register(stricter(0.3), "2", change=lambda text: text.replace('"not_cat"', '"dog"'))
    asked = shop.ask(PROMOTE, row.digest, relabel=True)
    shop.desk().turn()
    assert shop.request(asked).state == "done" and shop.published() == row.digest


def test_storage_that_is_away_puts_a_promotion_off(
    shop: Shop, storage_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = shop.register(stricter(0.3), "2")
    asked = shop.ask(PROMOTE, row.digest)
    monkeypatch.setattr("tasks.promotion.AGAIN_S", 0.0)
    hidden = storage_dir.with_name("hidden")
    storage_dir.rename(hidden)
    desk = shop.desk()
    for _ in range(3):
        assert desk.turn() is True
    assert (shop.request(asked).state, shop.request(asked).attempts) == ("asked", 0)
    assert shop.row(row.digest).state == "registered", "nothing was found out about the version"
    hidden.rename(storage_dir)
    desk.turn()
    assert shop.request(asked).state == "done"


def test_many_desks_settle_each_request_once(shop: Shop) -> None:
    digests = [shop.register(stricter(by / 10), str(by)).digest for by in range(1, 6)]
    asked = [shop.ask(PROMOTE, digest) for digest in digests]
    desks = [shop.quick_desk() for _ in range(4)]
    threads = [threading.Thread(target=lambda desk=desk: [desk.turn() for _ in range(6)]) for desk in desks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while desks[0].turn():
        pass
    assert {shop.request(each).state for each in asked} == {"done"}
    past = history(shop)
    assert [each.digest for each in past] == digests, "in the order of asking"
    assert [each.previous for each in past] == [shop.first, *(each.digest for each in past[:-1])], "an unbroken chain"
    assert shop.published() == past[-1].digest


def test_what_was_compared_with_an_older_current_version_is_compared_again(shop: Shop) -> None:
    one, two = (shop.register(stricter(by), str(by)).digest for by in (0.1, 0.2))
    compared: list[str | None] = []

    def slow(job: Job) -> Verdict:
        compared.append(job.beside)
        if len(compared) == 1:
            with shop.database.begin() as connection:
                late = model_promotions.ask(connection, PROMOTE, NAME, two, by="x", why=None, relabel=False)
                model_promotions.record(connection, late, two, shop.first)
                model_promotions.finish(connection, late, None, "by another control whose lease had run out")
        return Verdict(None, "fine")

    asked = shop.ask(PROMOTE, one)
    desk = PromotionDesk(shop.database, PIPELINES.values(), shop.room, slow)
    desk.turn()
    assert shop.request(asked).state == "asked" and history(shop)[-1].digest == two
    desk.turn()
    assert compared == [shop.first, two] and shop.published() == one


def test_a_control_that_starts_does_not_bring_back_what_was_replaced(shop: Shop) -> None:
    new = shop.register(stricter(0.3), "2").digest
    shop.ask(PROMOTE, new)
    shop.quick_desk().turn()
    control.publish(shop.database, PIPELINES.values(), shop.room)
    shop.open()
    assert shop.published() == new
    shop.ask(ROLLBACK)
    shop.quick_desk().turn()
    shop.open()
    assert shop.published() == shop.first


def test_a_request_on_which_controls_die_is_refused_in_the_end(shop: Shop) -> None:
    asked = shop.ask(PROMOTE, shop.register(stricter(0.3), "2").digest)
    for _ in range(model_promotions.MOST_ATTEMPTS):
        with shop.database.begin() as connection:
            taken = model_promotions.take(connection, 0.0)
        assert taken is not None and taken.id == asked
    with shop.database.begin() as connection:
        assert model_promotions.finish(connection, shop.request(asked), None, "late") is True
    asked = shop.ask(PROMOTE, shop.register(stricter(0.3), "2").digest)
    for _ in range(model_promotions.MOST_ATTEMPTS):
        with shop.database.begin() as connection:
            model_promotions.take(connection, 0.0)
    shop.quick_desk().turn()
    assert shop.request(asked).code == "VERIFICATION_CRASHED" and history(shop) == []


def test_who_was_overtaken_ends_nothing(shop: Shop) -> None:
    asked = shop.ask(PROMOTE, shop.register(stricter(0.3), "2").digest)
    with shop.database.begin() as connection:
        stale = model_promotions.take(connection, 0.0)
        newer = model_promotions.take(connection, 60.0)
        assert stale is not None and newer is not None and newer.attempts == stale.attempts + 1
        assert model_promotions.take(connection, 60.0) is None, "it is held"
        assert model_promotions.finish(connection, stale, None, "late") is False
        model_promotions.hand_back(connection, stale, 0.0)
        assert model_promotions.take(connection, 60.0) is None, "and cannot be handed back by another"
        assert model_promotions.finish(connection, newer, None, "in time") is True
    assert shop.request(asked).detail == "in time"


def step(kind: str, digest: str, previous: str | None) -> Promotion:
    return Promotion(0, NAME, kind, digest, previous, "", None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("past", "target"),
    [
        ([], None),
        ([("promote", "b", "a")], "a"),
        ([("promote", "b", None)], None),
        ([("promote", "b", "a"), ("promote", "c", "b")], "b"),
        ([("promote", "b", "a"), ("promote", "c", "b"), ("rollback", "b", "c")], "a"),
        ([("promote", "b", "a"), ("rollback", "a", "b")], None),
        ([("promote", "b", "a"), ("rollback", "a", "b"), ("promote", "c", "a")], "a"),
        ([("promote", "b", "a"), ("promote", "a", "b")], "b"),
    ],
)
def test_a_rollback_never_returns_to_what_was_rolled_back(past: list[Any], target: str | None) -> None:
    assert model_promotions.before([step(*each) for each in past]) == target


def test_versions_are_chosen_by_version_or_digest(shop: Shop) -> None:
    row = shop.register(stricter(0.3), "2")
    with shop.database.begin() as connection:
        for wanted in ("2", row.digest, row.digest[:8]):
            assert [each.digest for each in model_versions.chosen(connection, NAME, wanted)] == [row.digest]
        for wanted in ("3", row.digest[:7], "0" * 8):
            assert model_versions.chosen(connection, NAME, wanted) == []
