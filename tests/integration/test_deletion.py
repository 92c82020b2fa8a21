"""A deleted scan is gone: rows, answers, files, picture; what others share stays, and nothing accepted loses its bytes."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from db import batch_again, batch_views, batches, deletion, erasure, ledger, results, scans, tenants, views
from db.batch_views import Which
from db.batches import NewBatch, NewItem
from db.consent import Word
from db.ledger import Claim
from db.results import Answer, StoredFile
from db.session import Database
from pipeline.errors import NotFound, StorageUnavailable
from storage import Storage
from storage.keys import artifact_key
from storage.local import LocalStorage
from tasks.retention import erase
from tests.invariants import violations
from tests.ledger import Mill, ok, one_stage

BY = "a key"


@pytest.fixture
def mill(database: Database) -> Mill:
    return Mill(database)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "objects", b"k" * 32)


def key(mill: Mill, content: str) -> str:
    return artifact_key(mill.tenant_id, hashlib.sha256(content.encode()).hexdigest())


def upload(mill: Mill, storage: Storage, picture: str) -> UUID:
    """An accepted scan whose picture lies in storage, as the API does it."""
    storage.put(key(mill, picture), picture.encode(), "image/jpeg")
    return mill.submit(picture, stored_s=0.0).scan_id


def with_file(mill: Mill, storage: Storage, claim: Claim, content: str) -> Answer:
    """An answer with a file, as a worker stores it before it commits."""
    storage.put(key(mill, content), content.encode(), "image/png")
    file = StoredFile(hashlib.sha256(content.encode()).hexdigest(), len(content), "image/png")
    return replace(ok(claim), artifacts={"canonical": file})


def scanned(mill: Mill, storage: Storage, picture: str, file: str) -> UUID:
    """A scan that has ended and left a file."""
    scan = upload(mill, storage, picture)
    mill.complete([with_file(mill, storage, claim, file) for claim in mill.claim("fetch")])
    mill.finish()
    return scan


def delete(mill: Mill, scan: UUID, tenant: UUID | None = None) -> bool:
    with mill.database.begin() as connection:
        return deletion.delete(connection, tenant or mill.tenant_id, scan, BY)


def stored(mill: Mill, storage: Storage, *contents: str) -> list[bool]:
    return [storage.head(key(mill, content)) is not None for content in contents]


def left(mill: Mill) -> dict[str, int]:
    """Rows by table."""
    tables = ("scan", "stage_run", "event", "result", "result_artifact", "artifact", "idempotency_key")
    return {table: mill.query(f"SELECT count(*) AS n FROM {table}")[0].n for table in tables}


def counts(mill: Mill) -> dict[str, int]:
    with mill.database.begin() as connection:
        return {name: n for name, n in views.counts(connection, mill.tenant_id).items() if n}


def test_nothing_of_a_deleted_scan_is_left_but_that_there_was_one(mill: Mill, storage: Storage) -> None:
    scan = scanned(mill, storage, "eye", "canonical eye")
    assert delete(mill, scan)
    with mill.database.begin() as connection:
        assert views.get(connection, mill.tenant_id, scan) is None
    assert counts(mill) == {"submitted": 1, "deleted": 1}
    assert erase(mill.database, storage) is False
    assert stored(mill, storage, "eye", "canonical eye") == [False, False]
    assert left(mill) == dict.fromkeys(left(mill), 0)
    (told,) = mill.query("SELECT * FROM deletion")
    assert (told.scan_id, told.deleted_by) == (scan, BY)
    assert not delete(mill, scan), "a second time it is unknown"
    assert violations(mill.database) == []


def test_another_tenant_deletes_nothing(mill: Mill, storage: Storage) -> None:
    scan = scanned(mill, storage, "eye", "canonical eye")
    with mill.database.begin() as connection:
        other = tenants.create_tenant(connection, "other")
    before = left(mill)
    assert not delete(mill, scan, other)
    assert left(mill) == before


def test_what_another_scan_shares_stays_until_that_one_is_deleted(mill: Mill, storage: Storage) -> None:
    first = scanned(mill, storage, "eye", "canonical eye")
    second = upload(mill, storage, "eye")
    assert mill.status(second) == "succeeded", "by reuse"
    assert delete(mill, first)
    erase(mill.database, storage)
    assert stored(mill, storage, "eye", "canonical eye") == [True, True]
    with mill.database.begin() as connection:
        assert views.artifact(connection, mill.tenant_id, second, "canonical") is not None
    third = upload(mill, storage, "eye")
    assert mill.status(third) == "succeeded", "and is still reused"
    assert delete(mill, second) and delete(mill, third)
    erase(mill.database, storage)
    assert stored(mill, storage, "eye", "canonical eye") == [False, False]
    assert violations(mill.database) == []


def test_the_same_bytes_of_another_tenant_stay(mill: Mill, storage: Storage, database: Database) -> None:
    other = Mill(database, tenant_name="other")
    mine, theirs = (scanned(each, storage, "eye", "canonical eye") for each in (mill, other))
    assert delete(mill, mine)
    erase(mill.database, storage)
    assert stored(mill, storage, "eye", "canonical eye") == [False, False]
    assert stored(other, storage, "eye", "canonical eye") == [True, True]
    with database.begin() as connection:
        assert views.get(connection, other.tenant_id, theirs) is not None


def test_a_scan_under_way_is_cancelled_and_what_its_worker_still_stores_is_erased(mill: Mill, storage: Storage) -> None:
    scan = upload(mill, storage, "eye")
    (claim,) = mill.claim("fetch")
    late = with_file(mill, storage, claim, "canonical eye")
    assert delete(mill, scan)
    assert mill.complete([late]).ended == frozenset()
    erase(mill.database, storage)
    assert stored(mill, storage, "eye", "canonical eye") == [False, False]
    assert counts(mill) == {"submitted": 1, "deleted": 1}
    assert violations(mill.database) == []


def test_a_follower_of_a_deleted_scan_goes_on_by_itself(mill: Mill, storage: Storage) -> None:
    leader, follower = (upload(mill, storage, "eye") for _ in range(2))
    assert mill.run(follower, "fetch").waits_for == mill.run(leader, "fetch").id
    assert delete(mill, leader)
    with mill.database.begin() as connection:
        results.settle_followers(connection)
    mill.finish()
    assert mill.status(follower) == "succeeded"
    assert violations(mill.database, settled=True) == []


def test_a_removal_that_broke_off_goes_on(mill: Mill, storage: Storage, tmp_path: Path) -> None:
    scan = scanned(mill, storage, "eye", "canonical eye")
    delete(mill, scan)
    (tmp_path / "nothing").write_text("a file where a folder should be")
    with pytest.raises(StorageUnavailable):
        erase(mill.database, LocalStorage(tmp_path / "nothing" / "here", b"k" * 32))
    storage.delete(key(mill, "eye"))  # as if control had been killed after the first of the two
    erase(mill.database, storage)
    assert stored(mill, storage, "eye", "canonical eye") == [False, False]
    assert mill.query("SELECT FROM erasure WHERE asked_at IS NOT NULL OR condemned") == []


def test_bytes_that_are_being_removed_are_not_accepted_before_they_are_stored_again(
    mill: Mill, storage: Storage
) -> None:
    delete(mill, scanned(mill, storage, "eye", "canonical eye"))
    with mill.database.begin() as connection:
        erasure.condemn(connection, 10)
    with pytest.raises(StorageUnavailable):  # stored before its removal: gone in a moment
        upload(mill, storage, "eye")
    erase(mill.database, storage)
    with pytest.raises(StorageUnavailable):  # stored within the last minute, removed since
        mill.submit("eye", stored_s=60.0)
    mill.execute("UPDATE erasure SET removed_at = removed_at - interval '2 seconds'")
    scan = upload(mill, storage, "eye")
    assert stored(mill, storage, "eye") == [True]
    assert delete(mill, scan)
    erase(mill.database, storage)
    assert stored(mill, storage, "eye") == [False], "a second time"


def test_a_picture_that_comes_again_before_the_removal_is_kept(mill: Mill, storage: Storage) -> None:
    delete(mill, scanned(mill, storage, "eye", "canonical eye"))
    again = scanned(mill, storage, "eye", "canonical eye")
    erase(mill.database, storage)
    assert stored(mill, storage, "eye", "canonical eye") == [True, True]
    assert mill.status(again) == "succeeded"
    assert violations(mill.database) == []


def test_a_file_that_was_removed_while_a_worker_had_it_is_made_again(mill: Mill, storage: Storage) -> None:
    old = scanned(mill, storage, "eye", "black")
    upload(mill, storage, "other eye")
    (claim,) = mill.claim("fetch")
    answer = with_file(mill, storage, claim, "black")
    delete(mill, old)
    erase(mill.database, storage)
    assert stored(mill, storage, "black") == [False]
    assert mill.complete([answer]).ended == frozenset()
    assert mill.run(claim.scan_id, "fetch").state == "ready"
    mill.execute("UPDATE stage_run SET not_before = '-infinity'")
    (again,) = mill.claim("fetch")
    assert mill.complete([with_file(mill, storage, again, "black")]).ended == {claim.run_id}
    erase(mill.database, storage)
    assert stored(mill, storage, "black") == [True]
    assert violations(mill.database) == []


def test_an_accepted_picture_is_seen_by_a_removal_that_waited_for_it(mill: Mill, storage: Storage) -> None:
    delete(mill, scanned(mill, storage, "eye", "canonical eye"))
    storage.put(key(mill, "eye"), b"eye", "image/jpeg")
    remover = threading.Thread(target=erase, args=(mill.database, storage))
    with mill.database.begin() as connection:
        scans.submit(connection, mill.new("eye"))
        remover.start()
        remover.join(0.5)
        assert remover.is_alive(), "it waits for who is about to use the bytes"
    remover.join(20)
    assert stored(mill, storage, "eye", "canonical eye") == [True, False]


def test_who_is_about_to_reuse_an_answer_finds_it_or_none(mill: Mill, storage: Storage) -> None:
    """The deletion waits for the reuse, and then leaves the answer; the other way round nothing is reused."""
    scan = scanned(mill, storage, "eye", "canonical eye")
    storage.put(key(mill, "eye"), b"eye", "image/jpeg")
    deleter = threading.Thread(target=delete, args=(mill, scan))
    with mill.database.begin() as connection:
        made = scans.submit(connection, mill.new("eye"))
        deleter.start()
        deleter.join(0.5)
        assert deleter.is_alive()
    deleter.join(20)
    assert mill.status(made.scan_id) == "succeeded"
    assert violations(mill.database) == []
    errors: list[BaseException] = []

    def resubmit() -> None:
        try:
            mill.submit("eye")
        except (IntegrityError, StorageUnavailable) as error:
            errors.append(error)

    other = threading.Thread(target=resubmit)
    with mill.database.begin() as connection:
        deletion.delete(connection, mill.tenant_id, made.scan_id, BY)
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join(20)
    assert errors == []
    assert violations(mill.database) == []


def test_a_retry_of_a_scan_that_is_deleted_meanwhile_finds_none(mill: Mill, storage: Storage) -> None:
    scan = scanned(mill, storage, "eye", "canonical eye")
    with mill.database.begin() as connection:
        again = scans.source(connection, mill.tenant_id, scan)
    assert again is not None
    delete(mill, scan)
    with pytest.raises(NotFound), mill.database.begin() as connection:
        scans.submit(connection, again)


def test_a_deleted_line_stays_in_its_batch_and_the_counts_add_up(database: Database, storage: Storage) -> None:
    mill = Mill(database, specification=one_stage())
    with database.begin() as connection:
        new = NewBatch(tenant_id=mill.tenant_id, system="single", consent=Word(training=True, by=BY))
        batch, _ = batches.create(connection, new)
        lines = [
            NewItem(custom_id=name, ref=name, sha256=hashlib.sha256(name.encode()).hexdigest(), fields={"of": name})
            for name in ("a", "b", "c")
        ]
        batches.append(connection, mill.tenant_id, batch, lines)
        batches.finalise(connection, mill.tenant_id, batch)
        first, second, _ = batch_views.items(connection, mill.tenant_id, batch, Which())
        scans.expand(connection, [UUID(first["scan_id"])])
    mill.finish()
    assert delete(mill, UUID(first["scan_id"])) and delete(mill, UUID(second["scan_id"]))
    with database.begin() as connection:
        told = batch_views.get(connection, mill.tenant_id, batch)
        gone = batch_views.items(connection, mill.tenant_id, batch, Which(("deleted",)))
    assert told is not None
    seen = {name: n for name, n in told["counts"].items() if n}
    assert seen == {"items": 3, "queued": 1, "deleted": 2}
    assert [(line["custom_id"], line["scan_id"], line["fields"]) for line in gone] == [
        ("a", None, None),
        ("b", None, None),
    ]
    past = mill.query("SELECT scan_id, training, said_by FROM consent_past ORDER BY id")
    assert [(str(r.scan_id), r.training, r.said_by) for r in past] == [
        (first["scan_id"], True, BY),
        (second["scan_id"], True, BY),
    ]
    assert violations(database) == []


def test_a_deleted_line_is_refused_when_its_batch_is_done_again(database: Database, storage: Storage) -> None:
    mill = Mill(database, specification=one_stage())
    with database.begin() as connection:
        batch, _ = batches.create(connection, NewBatch(tenant_id=mill.tenant_id, system="single"))
        batches.append(connection, mill.tenant_id, batch, [NewItem(custom_id="a", ref="a", sha256="a" * 64)])
        batches.finalise(connection, mill.tenant_id, batch)
        (line,) = batch_views.items(connection, mill.tenant_id, batch, Which())
    assert delete(mill, UUID(line["scan_id"]))
    with database.begin() as connection:
        again = batch_again.reprocess(connection, mill.tenant_id, batch, name=None, options={})
        assert again is not None
        batch_again.list_page(connection)
        told = batch_views.get(connection, mill.tenant_id, again)
    assert told is not None and told["counts"]["refused"] == 1
    assert violations(database) == []


def test_what_is_over_is_forgotten(mill: Mill, storage: Storage) -> None:
    delete(mill, scanned(mill, storage, "eye", "canonical eye"))
    erase(mill.database, storage)
    assert len(mill.query("SELECT FROM erasure")) == 2, "remembered for writers that are under way"
    mill.execute("UPDATE erasure SET removed_at = removed_at - interval '25 hours'")
    erase(mill.database, storage)
    assert mill.query("SELECT FROM erasure") == []


def test_a_worker_that_died_leaves_nothing_that_hinders(mill: Mill, storage: Storage) -> None:
    scan = upload(mill, storage, "eye")
    mill.claim("fetch")
    assert delete(mill, scan)
    mill.overdue()
    with mill.database.begin() as connection:
        assert ledger.expire(connection) == []
    assert violations(mill.database, settled=True) == []
