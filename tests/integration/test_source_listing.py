"""Folders and prefixes become lines: on a real ledger, a real folder and a real S3 server, page by page."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from db import admission, batch_again, batch_ends, batch_sources, batch_views, batches
from db.batch_sources import Reached
from db.batch_views import Which
from db.batches import NewBatch
from db.session import Database
from pipeline.sniff import ImageLimits
from storage import Storage, open_storage
from storage.keys import artifact_key, object_key
from storage.settings import StorageSettings
from tasks.settings import BatchSettings
from tasks.source_listing import SourceLister
from tests.integration.api.pictures import jpeg
from tests.invariants import violations
from tests.ledger import Mill, one_stage
from tests.servers.plugin import S3Server, s3_server

__all__ = ["s3_server"]

LIMITS = ImageLimits(max_bytes=50_000)


@dataclass
class Shop:
    """A tenant, an open root, a storage, and what control does between its pauses."""

    mill: Mill
    storage: Storage
    root: Path

    def lister(self, **settings: Any) -> SourceLister:
        given = {"roots": [self.root], "page": 3, **settings}
        return SourceLister(self.mill.database, self.storage, LIMITS, BatchSettings(**given))

    def open(self, source: dict[str, Any], **more: Any) -> UUID:
        new = NewBatch(tenant_id=self.mill.tenant_id, system="single", source=source, **more)
        with self.mill.database.begin() as connection:
            return batches.create(connection, new)[0]

    def folder(self, **more: Any) -> UUID:
        return self.open({"folder": f"{self.root}/cats", **more})

    def list_all(self, **settings: Any) -> int:
        """Pages until nothing is due; how many. After each, the ledger is in order."""
        lister, pages = self.lister(**settings), 0
        while lister.turn():
            pages += 1
            assert violations(self.mill.database) == []
        return pages

    def done(self, batch: UUID) -> dict[str, Any]:
        """The batch after its pages and its scans have ended."""
        self.list_all()
        self.control()
        return self.shown(batch)

    def control(self) -> None:
        for _ in range(3):
            with self.mill.database.begin() as connection:
                batch_ends.cancel_page(connection)
                batch_ends.finish(connection)
                admission.admit(connection, 10_000, 10_000)
            self.mill.finish()

    def shown(self, batch: UUID) -> dict[str, Any]:
        with self.mill.database.begin() as connection:
            found = batch_views.get(connection, self.mill.tenant_id, batch)
        assert found is not None
        return found

    def lines(self, batch: UUID) -> dict[str, str]:
        with self.mill.database.begin() as connection:
            found = batch_views.items(connection, self.mill.tenant_id, batch, Which(), limit=10_000)
        assert [line["n"] for line in found] == list(range(1, len(found) + 1))
        return {line["custom_id"]: line["code"] or line["sha256"] or "" for line in found}

    def change(self, what: Callable[..., Any], batch: UUID) -> None:
        with self.mill.database.begin() as connection:
            assert what(connection, self.mill.tenant_id, batch)

    def due(self) -> None:
        self.mill.execute("UPDATE batch SET list_after = NULL")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def mill(database: Database) -> Mill:
    return Mill(database, one_stage())


@pytest.fixture
def shop(mill: Mill, tmp_path: Path) -> Shop:
    settings = StorageSettings(storage_url=f"file://{tmp_path}/storage", storage_signing_key=SecretStr("k" * 32))
    root = tmp_path / "open"
    (tmp_path / "storage").mkdir()
    for n in range(7):
        path = root / "cats" / ("deep" if n % 2 else ".") / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(shade=n))
    return Shop(mill, open_storage(settings), root)


@pytest.fixture(params=["local", "s3"])
def stored(request: pytest.FixtureRequest, shop: Shop) -> Shop:
    """The shop with a storage of either kind."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        shop.storage = open_storage(server.settings(f"listing-{os.getpid()}-{request.node.name[:20]}"))
    return shop


def test_a_folder_becomes_lines_and_ends_by_itself(shop: Shop) -> None:
    cats = shop.root / "cats"
    (cats / "notes.txt").write_text("no picture")
    (cats / "torn.jpg").write_bytes(b"not a picture")
    (cats / "huge.jpg").write_bytes(jpeg() + b"x" * 50_000)
    (cats / "empty.jpg").touch()
    (cats / "link.jpg").symlink_to("/etc/passwd")
    os.mkfifo(cats / "pipe.jpg")
    (cats / "odd\nname.jpg").write_bytes(jpeg())
    batch = shop.folder()
    assert shop.shown(batch)["state"] == "listing"
    found = shop.done(batch)
    assert (found["state"], found["items"], found["listed"], found["counts"]["refused"]) == ("succeeded", 13, 13, 6)
    assert shop.lines(batch) == {
        **{f"{n}.jpg": digest(jpeg(shade=n)) for n in (0, 2, 4, 6)},
        **{f"deep/{n}.jpg": digest(jpeg(shade=n)) for n in (1, 3, 5)},
        "torn.jpg": "UNSUPPORTED_FORMAT",
        "huge.jpg": "FILE_TOO_LARGE",
        "empty.jpg": "EMPTY_FILE",
        "link.jpg": "PATH_NOT_ALLOWED",
        "pipe.jpg": "PATH_NOT_ALLOWED",
        "odd\\00000aname.jpg": "PATH_NOT_ALLOWED",
    }


def test_globs_choose_and_a_page_may_hold_none_of_them(shop: Shop) -> None:
    batch = shop.folder(glob=["deep/*"])
    found = shop.done(batch)
    assert (sorted(shop.lines(batch)), found["listed"]) == (["deep/1.jpg", "deep/3.jpg", "deep/5.jpg"], 3)
    nothing = shop.folder(glob=["*.tif"])
    assert (shop.done(nothing)["state"], shop.shown(nothing)["items"]) == ("succeeded", 0)


def test_a_prefix_becomes_lines_from_either_storage(stored: Shop) -> None:
    tenant, other = stored.mill.tenant_id, Mill(stored.mill.database, one_stage(), tenant_name="other")
    names = {f"may/{n:02}.jpg": jpeg(shade=n) for n in range(10)} | {"may/deep/ü.jpg": jpeg(shade=99)}
    for name, content in names.items():
        stored.storage.put(object_key(tenant, name), content, "image/jpeg")
    stored.storage.put(object_key(tenant, "may/torn.png"), b"no", "image/png")
    stored.storage.put(object_key(tenant, "mayor.jpg"), jpeg(), "image/jpeg")
    stored.storage.put(object_key(other.tenant_id, "may/secret.jpg"), jpeg(shade=200), "image/jpeg")
    batch = stored.open({"prefix": "may"})
    found = stored.done(batch)
    assert (found["state"], found["counts"]["succeeded"], found["counts"]["refused"]) == ("succeeded", 11, 1)
    expected = {name.removeprefix("may/"): digest(content) for name, content in names.items()}
    assert stored.lines(batch) == {**expected, "torn.png": "UNSUPPORTED_FORMAT"}
    for sha256 in expected.values():
        stored.storage.get(artifact_key(tenant, sha256), sha256)
    whole = stored.open({"prefix": ""}, name="all")
    stored.done(whole)
    assert set(stored.lines(whole)) == {*names, "may/torn.png", "mayor.jpg"}


def test_what_happens_to_a_file_later_changes_no_scan(shop: Shop) -> None:
    batch = shop.folder()
    shop.list_all()
    (shop.root / "cats" / "0.jpg").write_bytes(jpeg(shade=250))
    shutil.rmtree(shop.root / "cats" / "deep")
    refs = shop.mill.query("SELECT input_ref, input_sha256 FROM scan WHERE batch_id = :b", b=batch)
    assert len(refs) == 7
    for scan in refs:
        assert digest(shop.storage.get(scan.input_ref)) == scan.input_sha256
    assert digest(jpeg(shade=0)) in {scan.input_sha256 for scan in refs}


def test_only_what_is_new_or_changed_since_then(shop: Shop) -> None:
    first = shop.folder()
    shop.done(first)
    cats = shop.root / "cats"
    (cats / "0.jpg").write_bytes(jpeg(shade=100))
    (cats / "new.jpg").write_bytes(jpeg(shade=101))
    second = shop.folder(since=str(first))
    found = shop.done(second)
    assert (sorted(shop.lines(second)), found["items"], found["listed"]) == (["0.jpg", "new.jpg"], 2, 8)
    (cats / "new.jpg").write_bytes(jpeg(shade=1))
    third = shop.folder(since=str(second))
    shop.done(third)
    assert sorted(shop.lines(third)) == ["new.jpg"], "what the second left out is looked up in the first"
    (cats / "0.jpg").write_bytes(jpeg(shade=0))
    fourth = shop.folder(since=str(third))
    shop.done(fourth)
    assert sorted(shop.lines(fourth)) == ["0.jpg"], "what was changed back has changed since the newest answer"
    other = Mill(shop.mill.database, one_stage(), tenant_name="other")
    with other.database.begin() as connection:
        new = NewBatch(tenant_id=other.tenant_id, system="single", source=dict(shop.shown(second)["source"]))
        foreign, _ = batches.create(connection, new)
    shop.list_all()
    with other.database.begin() as connection:
        seen = batch_views.get(connection, other.tenant_id, foreign)
    assert seen is not None and seen["items"] == 8, "another tenant's batch answers nothing"


def test_a_line_without_an_answer_is_not_unchanged(shop: Shop) -> None:
    first = shop.folder()
    shop.list_all()
    shop.change(batches.cancel, first)
    shop.control()
    second = shop.folder(since=str(first))
    assert shop.done(second)["items"] == 7


def test_a_pause_holds_the_listing_and_a_cancel_ends_it(shop: Shop) -> None:
    batch, lister = shop.folder(), shop.lister()
    assert lister.turn()
    shop.change(batches.pause, batch)
    assert not lister.turn()
    assert (shop.shown(batch)["state"], shop.shown(batch)["items"]) == ("paused", 3)
    shop.change(batches.resume, batch)
    assert shop.shown(batch)["state"] == "listing"
    assert lister.turn()
    shop.change(batches.cancel, batch)
    assert not lister.turn()
    shop.control()
    found = shop.shown(batch)
    assert (found["state"], found["counts"]["cancelled"], found["items"]) == ("cancelled", 6, 6)


def test_a_page_that_comes_after_a_cancel_or_after_another_control_is_dropped(shop: Shop) -> None:
    batch = shop.folder()
    with shop.mill.database.begin() as connection:
        late = batch_sources.take(connection, 60)
        assert late is not None and batch_sources.take(connection, 60) is None, "the batch is in one control's hands"
    shop.due()  # as if the first one had died
    assert shop.lister().turn()
    reached = Reached(cursor='"0.jpg"', seen=1, done=False)
    items = [batches.NewItem(custom_id="0.jpg", ref="key", sha256=digest(b""))]
    with shop.mill.database.begin() as connection:
        assert not batch_sources.add_page(connection, late, items, reached)
        assert not batch_sources.fail(connection, late, "SOURCE_MISSING")
    assert (shop.shown(batch)["items"], shop.shown(batch)["code"]) == (3, None)
    with shop.mill.database.begin() as connection:
        newer = batch_sources.take(connection, 60)
        assert newer is not None
        batches.cancel(connection, shop.mill.tenant_id, batch)
        assert not batch_sources.add_page(connection, newer, items, reached)
    assert shop.shown(batch)["items"] == 3


def test_batches_take_turns(shop: Shop) -> None:
    first, second = shop.folder(), shop.folder(glob=["*.jpg"])
    lister = shop.lister()
    for _ in range(2):
        assert lister.turn()
    assert [shop.shown(each)["items"] for each in (first, second)] == [3, 3]
    shop.list_all()
    assert [shop.shown(each)["items"] for each in (first, second)] == [7, 7]


@pytest.mark.parametrize("pages", [0, 1])
def test_a_folder_that_vanishes_fails_its_batch_and_what_was_listed_keeps_its_answers(shop: Shop, pages: int) -> None:
    batch, lister = shop.folder(), shop.lister()
    for _ in range(pages):
        lister.turn()
    shutil.rmtree(shop.root / "cats")
    found = shop.done(batch)
    assert (found["state"], found["code"]) == ("failed", "SOURCE_MISSING")
    assert (found["counts"]["succeeded"], found["items"]) == (3 * pages, 3 * pages)
    if pages:
        with shop.mill.database.begin() as connection:
            assert batch_again.retry_page(connection, shop.mill.tenant_id, batch, Which(("succeeded",)), {}) == 3
        found = shop.done(batch)
        assert (found["state"], found["code"]) == ("failed", "SOURCE_MISSING"), "a retry does not make it whole"


def test_sources_that_are_not_there_or_not_open_any_more_fail(shop: Shop) -> None:
    (shop.root / "door").symlink_to("/etc")
    for source, code in (
        ({"prefix": "nothing"}, "SOURCE_MISSING"),
        ({"folder": f"{shop.root}/dogs"}, "SOURCE_MISSING"),
        ({"folder": f"{shop.root}/cats/0.jpg"}, "SOURCE_MISSING"),
        ({"folder": f"{shop.root}/door"}, "PATH_NOT_ALLOWED"),
        ({"folder": f"{shop.root}/cats/../../storage"}, "PATH_NOT_ALLOWED"),
        ({"folder": "/etc"}, "PATH_NOT_ALLOWED"),
        ({"prefix": f"../../{UUID(int=5)}/o"}, "PATH_NOT_ALLOWED"),
    ):
        found = shop.done(shop.open(source))
        assert (found["state"], found["code"], found["items"]) == ("failed", code, 0), source


def test_trouble_with_storage_is_waited_out(shop: Shop, tmp_path: Path) -> None:
    batch = shop.folder()
    storage = tmp_path / "storage"
    storage.rmdir()
    storage.write_text("in the folder's place")
    assert shop.list_all() == 1
    found = shop.shown(batch)
    assert (found["state"], found["items"], found["code"]) == ("listing", 0, None)
    storage.unlink()
    shop.due()
    assert shop.done(batch)["counts"]["succeeded"] == 7


def test_a_page_has_a_time_limit(shop: Shop) -> None:
    for n in range(40):
        (shop.root / "cats" / f"more{n}.jpg").write_bytes(jpeg())
    shop.folder()
    assert shop.list_all(page=1000, page_s=1e-9) == 3, "a step of sixteen lines each"


def test_a_control_that_stops_closes_its_page_with_what_it_has(shop: Shop) -> None:
    for n in range(40):
        (shop.root / "cats" / f"more{n}.jpg").write_bytes(jpeg())
    batch, stopping = shop.folder(), threading.Event()
    stopping.set()
    settings = BatchSettings(roots=[shop.root], page=1_000)
    assert SourceLister(shop.mill.database, shop.storage, LIMITS, settings, stopping).turn()
    assert (shop.shown(batch)["state"], shop.shown(batch)["items"]) == ("listing", 16)


def test_three_thousand_objects_need_no_more_memory_and_no_more_runs_than_the_window(shop: Shop) -> None:
    folder = shop.storage
    folder.put(object_key(shop.mill.tenant_id, "in/0000.jpg"), jpeg(), "image/jpeg")
    place = shop.root.parent / "storage" / object_key(shop.mill.tenant_id, "in")
    for n in range(1, 3_000):
        os.link(place / "0000.jpg", place / f"{n:04}.jpg")
    batch, lister, held = shop.open({"prefix": "in"}), shop.lister(page=50), []
    tracemalloc.start()
    while lister.turn():
        held.append(tracemalloc.get_traced_memory()[0])
        with shop.mill.database.begin() as connection:
            admission.admit(connection, 40)
    tracemalloc.stop()
    assert len(held) >= 60
    assert held[-1] - held[10] < 500_000, "bytes that fifty pages more have left behind"
    [runs] = shop.mill.query("SELECT count(*) AS n FROM stage_run")
    found = shop.shown(batch)
    assert (found["state"], found["items"], found["listed"], runs.n) == ("running", 3_000, 3_000, 40)
    assert violations(shop.mill.database) == []
