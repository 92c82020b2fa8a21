"""Tiny packs on a fresh database and storage, for tests of model versions: what to register, and how a desk is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from db import model_promotions, model_versions, pipelines
from db.model_promotions import PROMOTE, Request
from db.model_versions import VersionRow
from db.session import Database
from pipeline.models import goldens
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings
from pipeline.systems import PIPELINES
from storage.local import LocalStorage
from tasks import control
from tasks.model_versions import add_packs, register, store_packs
from tasks.promotion import PromotionDesk
from tasks.verify import Verdict, verify
from tests.unit.pipeline import tiny_models as tiny

NAME = "cat_validator"
SIGNING_KEY = "a signing key of some length for a test"


def remade(content: bytes, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> bytes:
    """The network with other constants."""
    model = onnx.load_model_from_string(content)
    held = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for name, value in change(held).items():
        old = next(each for each in model.graph.initializer if each.name == name)
        old.CopyFrom(numpy_helper.from_array(np.asarray(value, held[name].dtype), name))
    return bytes(model.SerializeToString())


def stricter(by: float) -> bytes:
    """The validator, a little less ready to see a cat."""
    return remade(tiny.validator(), lambda held: {"bias": [by, 0.0]})


def mirrored() -> bytes:
    """The validator whose two classes were trained in the other order."""
    return remade(tiny.validator(), lambda held: {"weights": held["weights"][:, ::-1]})


@dataclass
class Shop:
    """An installation with the tiny pack on its disk, published once."""

    database: Database
    storage: LocalStorage
    folder: Path

    def __post_init__(self) -> None:
        tiny.cat_pack(self.folder / "packs" / "tiny")
        self.room = ModelRoom.open(ModelSettings(root=self.folder / "packs", packs="tiny"))
        self.first = self.room.digests()[NAME]

    def open(self) -> None:
        """What control does when it starts."""
        add_packs(self.database, self.room.entries())
        control.publish(self.database, PIPELINES.values(), self.room)
        store_packs(self.database, self.storage, self.room)

    def version(
        self, content: bytes, version: str, change: Callable[[str], str] = lambda text: text
    ) -> tuple[ModelEntry, dict[str, Any]]:
        """An entry of a pack of its own, and what it answers."""
        table = change(tiny.subject_entry(content).replace('version = "tiny"', f'version = "{version}"'))
        path = tiny.write_pack(self.folder / "sent" / version, [content], [table])
        entry = read_manifest(path, "sent")[NAME]
        room = ModelRoom([{NAME: entry}])
        return entry, goldens.record(room.load(NAME), room.profile)

    def register(self, content: bytes, version: str, **more: Any) -> VersionRow:
        entry, golden = self.version(content, version, more.pop("change", lambda text: text))
        return register(self.database, self.storage, entry, content, more.get("goldens", golden))

    def desk(self, **how: Any) -> PromotionDesk:
        """A desk that verifies in a real child process, which finds its settings in the environment."""
        return PromotionDesk(
            self.database, PIPELINES.values(), self.room, lambda job: verify([job], ledger=True, **how)[0]
        )

    def quick_desk(self) -> PromotionDesk:
        """A desk that finds everything good, for tests of what happens around the verification."""
        return PromotionDesk(self.database, PIPELINES.values(), self.room, lambda job: Verdict(None, "fine"))

    def ask(self, kind: str = PROMOTE, digest: str | None = None, *, relabel: bool = False) -> int:
        with self.database.begin() as connection:
            asked = model_promotions.ask(connection, kind, NAME, digest, by="tester", why="a test", relabel=relabel)
        return asked.id

    def request(self, request_id: int) -> Request:
        with self.database.begin() as connection:
            found = model_promotions.request(connection, request_id)
        assert found is not None
        return found

    def row(self, digest: str) -> VersionRow:
        with self.database.begin() as connection:
            found = model_versions.find(connection, NAME, digest)
        assert found is not None
        return found

    def published(self) -> str:
        """The validator's digest in the pipeline that new scans get."""
        with self.database.begin() as connection:
            [pipeline] = pipelines.listing(connection)
        return next(stage["models"][NAME] for stage in pipeline["stages"] if NAME in stage["models"])

    def settings(self, database_url: str, storage_dir: Path) -> dict[str, str]:
        """What a child needs to find all this."""
        return {
            "SCANMILL_DATABASE_URL": database_url,
            "SCANMILL_STORAGE_URL": f"file://{storage_dir}",
            "SCANMILL_STORAGE_SIGNING_KEY": SIGNING_KEY,
            "SCANMILL_MODEL_ROOT": str(self.folder / "packs"),
            "SCANMILL_MODEL_PACKS": "tiny",
        }


def open_shop(database: Database, storage_dir: Path, folder: Path) -> Shop:
    """A shop that is open."""
    shop = Shop(database, LocalStorage(storage_dir, SIGNING_KEY.encode()), folder)
    shop.open()
    return shop


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
