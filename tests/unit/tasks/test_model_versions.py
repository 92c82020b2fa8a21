"""Versions come in whole or not at all, and a worker gets at exactly what was registered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db import model_versions, pipelines
from db.session import Database
from db.sql import run
from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.errors import (
    GoldensNotReproduced,
    ModelLoadError,
    ModelUnavailable,
    StorageUnavailable,
    VersionTaken,
)
from pipeline.models import goldens
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings
from pipeline.systems import PIPELINES
from storage.keys import model_key
from tasks import control
from tasks.model_versions import RegisteredModels, add_packs, register, store_packs
from tasks.registry import Registry
from tests.model_shop import NAME, Shop, open_shop, sha256, stricter
from tests.unit.tasks.test_registry import PUBLISHED, Shelf, spec_of


@pytest.fixture
def models(database: Database, storage_dir: Path, tmp_path: Path) -> Shop:
    return open_shop(database, storage_dir, tmp_path / "shop")


@pytest.fixture
def known(models: Shop) -> RegisteredModels:
    return RegisteredModels(models.database, models.storage)


def test_a_registered_version_is_there_for_every_host(models: Shop, known: RegisteredModels) -> None:
    content = stricter(0.3)
    row = models.register(content, "2")
    assert (row.state, row.size, row.sha256) == ("registered", len(content), sha256(content))
    elsewhere = ModelRoom.open(ModelSettings(root=models.folder / "packs", packs="tiny"), source=known)
    assert elsewhere.load(NAME, row.digest).entry.version == "2"


def test_registering_again_changes_nothing_but_goldens(models: Shop) -> None:
    content = stricter(0.3)
    entry, golden = models.version(content, "2")
    first = register(models.database, models.storage, entry, content, None)
    with models.database.begin() as connection:
        model_versions.judge(connection, NAME, first.digest, None, "good")
    again = register(models.database, models.storage, entry, content, None)
    assert (again.id, again.state, again.goldens) == (first.id, "verified", None)
    held = register(models.database, models.storage, entry, content, golden)
    assert (held.id, held.state, held.goldens) == (first.id, "registered", golden), "it has to be verified again"
    assert register(models.database, models.storage, entry, content, None).goldens == golden


@pytest.mark.parametrize(("place", "kept"), [("cards/net.md", "# net"), ("../net.md", None), ("cards/gone.md", None)])
def test_a_card_comes_along_from_its_pack_and_from_nowhere_else(
    models: Shop, tmp_path: Path, place: str, kept: str | None
) -> None:
    entry, _ = models.version(stricter(0.3), "2")
    folder = tmp_path / "pack"
    (folder / "cards").mkdir(parents=True)
    for file in (folder / "cards" / "net.md", tmp_path / "net.md"):
        file.write_text("# net")
    add_packs(models.database, [replace(entry, folder=folder, card=place)])
    with models.database.begin() as connection:
        assert model_versions.card(connection, NAME, entry.digest) == kept


def test_other_bytes_than_the_entrys_are_not_stored(models: Shop) -> None:
    entry, golden = models.version(stricter(0.3), "2")
    with pytest.raises(ModelLoadError):
        register(models.database, models.storage, entry, stricter(0.4), golden)
    assert models.storage.head(model_key(entry.sha256)) is None
    with models.database.begin() as connection:
        assert model_versions.find(connection, NAME, entry.digest) is None


def test_one_version_is_one_network(models: Shop) -> None:
    models.register(stricter(0.3), "2")
    with pytest.raises(VersionTaken):
        models.register(stricter(0.4), "2")


def test_goldens_of_another_version_are_refused(models: Shop) -> None:
    _, golden = models.version(stricter(0.3), "2")
    with pytest.raises(GoldensNotReproduced):
        models.register(stricter(0.4), "3", goldens=golden)


def test_packs_are_known_at_once_and_their_files_follow(database: Database, storage_dir: Path, tmp_path: Path) -> None:
    shop = open_shop(database, storage_dir, tmp_path / "one")
    with database.begin() as connection:
        assert {each.name for each in model_versions.listing(connection)} == set(shop.room.digests())
        assert model_versions.without_file(connection) == []
    assert store_packs(database, shop.storage, shop.room) == 0
    assert shop.row(shop.first).size == len(shop.storage.get(model_key(shop.row(shop.first).sha256)))


def test_a_pack_whose_file_is_damaged_is_left_to_others(models: Shop) -> None:
    entry = models.room.entry(NAME)
    assert entry.folder is not None
    (entry.folder / entry.file).write_bytes(b"damaged")
    with models.database.begin() as connection:
        run(connection, "UPDATE model_version SET stored_at = NULL WHERE name = :name", name=NAME)
    store_packs(models.database, models.storage, models.room)
    assert models.row(models.first).stored_at is None


def test_goldens_beside_a_pack_come_with_it_unless_they_are_of_another_version(models: Shop) -> None:
    entry = models.room.entry(NAME)
    assert entry.folder is not None
    golden = goldens.record(models.room.load(NAME), models.room.profile)
    goldens.write(entry.folder, {NAME: {**golden, "digest": "0" * 64}})
    add_packs(models.database, models.room.entries())
    assert models.row(models.first).goldens is None
    goldens.write(entry.folder, {NAME: golden})
    add_packs(models.database, models.room.entries())
    assert models.row(models.first).goldens == golden


def test_what_cannot_be_loaded_is_not_offered(models: Shop, known: RegisteredModels) -> None:
    row = models.register(stricter(0.3), "2")
    assert known.entry(NAME, row.digest) is not None
    assert known.entry(NAME, "0" * 64) is None
    with models.database.begin() as connection:
        run(connection, "UPDATE model_version SET stored_at = NULL WHERE id = :id", id=row.id)
    assert known.entry(NAME, row.digest) is None, "whoever takes up its stages would have to wait for the file"
    with models.database.begin() as connection:
        model_versions.stored(connection, row.sha256, row.size)
    assert known.entry(NAME, row.digest) is not None
    with models.database.begin() as connection:
        novel = json.dumps({**row.entry, "novel": 1})
        run(connection, "UPDATE model_version SET entry = CAST(:e AS json) WHERE id = :id", e=novel, id=row.id)
    assert known.entry(NAME, row.digest) is None, "an older worker does not guess what a new field means"
    with models.database.begin() as connection:
        looser = json.dumps({**row.entry, "thresholds": {"subject": 0.1}})
        run(connection, "UPDATE model_version SET entry = CAST(:e AS json) WHERE id = :id", e=looser, id=row.id)
    assert known.entry(NAME, row.digest) is None, "an entry that was changed is not the version that was pinned"


def test_a_file_that_is_gone_or_damaged_says_so(models: Shop, known: RegisteredModels, storage_dir: Path) -> None:
    row = models.register(stricter(0.3), "2")
    entry = known.entry(NAME, row.digest)
    assert entry is not None
    (storage_dir / model_key(row.sha256)).write_bytes(b"damaged")
    with pytest.raises(ModelLoadError):
        known.content(entry)
    (storage_dir / model_key(row.sha256)).unlink()
    with pytest.raises(ModelUnavailable):
        known.content(entry)


def test_a_worker_takes_up_stages_whose_model_arrives_later(models: Shop, known: RegisteredModels) -> None:
    room = ModelRoom.open(ModelSettings(root=models.folder / "packs", packs="tiny"), source=known)
    registry = Registry(PIPELINES.values(), room, again_s=0)
    entry, golden = models.version(stricter(0.3), "2")
    with models.database.begin() as connection:
        published = PIPELINES[System.CAT_FACE].specification({**room.digests(), NAME: entry.digest})
        pipelines.publish(connection, published)
        stages = pipelines.every_stage(connection, after=0)
    registry.learn(stages)
    lacking = [each.id for each in stages if each.models.get(NAME) == entry.digest]
    assert lacking and not set(lacking) & set(registry.runnable)
    registry.learn([])
    assert not set(lacking) & set(registry.runnable)
    register(models.database, models.storage, entry, stricter(0.3), golden)
    registry.learn([])
    assert set(lacking) <= set(registry.runnable)


def test_a_system_whose_models_are_in_no_pack_is_not_offered_and_harms_no_other(
    models: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    room = ModelRoom.open(ModelSettings(root=models.folder / "packs", packs="tiny"))
    control.publish(models.database, PIPELINES.values(), room)
    with models.database.begin() as connection:
        assert pipelines.current(connection, System.SKINCARE) is None
        assert pipelines.current(connection, System.CAT_FACE) is not None
    assert "skincare is not offered: no pack here has face_detector, face_detector_far, face_mesh" in caplog.text


def test_a_ledger_that_is_away_is_no_reason_to_forget_a_stage() -> None:
    class Away(Shelf):
        def entry(self, name: str, digest: str | None = None) -> Any:
            if not self.held:
                raise StorageUnavailable("away")
            return super().entry(name, digest)

    room = Away()
    registry = Registry([Pipeline("s", (PUBLISHED,))], room)
    with pytest.raises(StorageUnavailable):
        registry.learn([spec_of(PUBLISHED)])
    assert registry.newest == 0 and not registry.runnable
    room.held["net"] = "a" * 64
    registry.learn([spec_of(PUBLISHED)])
    assert list(registry.runnable) == [7]
