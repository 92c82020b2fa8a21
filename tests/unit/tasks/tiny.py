"""Three small stages without models, told by the picture's bytes what to do, and the worker's parts around them."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import numpy as np

from db import admission, ledger, pipelines, scans
from db.ledger import Claim
from db.session import Database
from pipeline.contracts import Queue
from pipeline.definition import Pipeline
from pipeline.errors import CorruptImage, ModelUnavailable, NotACat, StorageUnavailable, UrlTimeout
from pipeline.models.base import Model
from pipeline.stage import File, Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each
from storage.keys import artifact_key
from storage.local import LocalStorage
from tasks.registry import Registry, Runnable
from tasks.stage_runner import StageRunner
from tests.ledger import Mill

PROFILE = "test-profile"


@dataclass(frozen=True, kw_only=True)
class Fetch(Stage):
    kind: ClassVar[str] = "tiny_fetch"

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        return each(self._fetch, items)

    def _fetch(self, item: StageInput) -> StageOutput:
        content = item.source()
        return StageOutput({"size": len(content)}, {"original": File(content, "text/plain")})


@dataclass(frozen=True, kw_only=True)
class Shade(Stage):
    """Paints a picture from the first byte, or does what the bytes say."""

    kind: ClassVar[str] = "tiny_shade"
    queue: ClassVar[Queue] = Queue.GPU
    sizes: tuple[int, ...] = (4, 4)
    calls: list[int] = field(default_factory=list, compare=False)
    """Sizes of the micro-batches it was given."""

    @property
    def parameters(self) -> dict[str, Any]:
        return {"sizes": list(self.sizes)}

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        self.calls.append(len(items))
        return [self._shade(item.needs["tiny_fetch"].content("original")) for item in items]

    def _shade(self, content: bytes) -> StageAnswer:
        odd: dict[bytes, StageAnswer] = {
            b"reject": NotACat("", {"sure": 0.25}),
            b"corrupt": CorruptImage("bad"),
            b"away": StorageUnavailable("storage"),
            b"slow server": UrlTimeout("slow"),
            b"nan": StageOutput({"sure": float("nan")}),
            b"nul": StageOutput({"text": "a\0b"}),
            b"half": StageOutput({"text": "\ud800"}),
            b"not json": StageOutput({"set": {1}}),
            b"nan verdict": NotACat("", {"sure": float("inf")}),
            b"alpha jpeg": StageOutput({}, {"shade": Picture(np.zeros((2, 2, 4), np.uint8), lossless=False)}),
        }
        if content == b"raise":
            raise RuntimeError("a bug that ends the whole micro-batch")
        if content in odd:
            return odd[content]
        pixels = np.full((*self.sizes, 3), content[0], np.uint8)
        return StageOutput({"first": content[0]}, {"shade": Picture(pixels)})


@dataclass(frozen=True, kw_only=True)
class Tell(Stage):
    kind: ClassVar[str] = "build_report"

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        return each(self._tell, items)

    def _tell(self, item: StageInput) -> StageOutput:
        need = item.needs["tiny_shade"]
        mean = float(need.picture("shade").mean()) if need.ok else None
        return StageOutput({"report": {"shade": mean, "code": need.code, "sure": need.data.get("sure")}})


SHADE = Shade(needs=("tiny_fetch",))
TINY = Pipeline("tiny", (Fetch(), SHADE, Tell(optional=("tiny_fetch", "tiny_shade"))))


class Shelf:
    """A room of models that are only names."""

    def __init__(self, **digests: str) -> None:
        self.held = digests

    def mark(self) -> object:
        return sorted(self.held.items())

    def digests(self) -> dict[str, str]:
        return self.held

    def entry(self, name: str, digest: str | None = None) -> Any:
        if self.held.get(name) != digest:
            raise ModelUnavailable(name)
        return name

    def load(self, name: str, digest: str | None = None) -> Model[Any]:
        raise ModelUnavailable(name)


class Workshop:
    """A tenant, a storage folder, and a worker child's runner over the tiny pipeline."""

    def __init__(self, database: Database, folder: Path) -> None:
        SHADE.calls.clear()
        self.database = database
        self.mill = Mill(database, TINY.specification({}))
        self.storage = LocalStorage(folder, b"key")
        self.room = Shelf()
        self.runner = StageRunner(database, self.storage, self.room, PROFILE, 1_000_000)
        self.registry = Registry([TINY], self.room)
        self.owner = uuid.uuid4()
        with database.begin() as connection:
            ledger.register(connection, self.owner, "child", 2, PROFILE)
            self.registry.learn(pipelines.every_stage(connection, after=0))

    def submit(self, content: bytes, **more: Any) -> UUID:
        """A scan of these bytes, which lie in storage as the API would have put them."""
        sha256 = hashlib.sha256(content).hexdigest()
        key = artifact_key(self.mill.tenant_id, sha256)
        self.storage.put(key, content, "text/plain")
        new = replace(self.mill.new("x", **more), input_ref=key, input_sha256=sha256)
        with self.database.begin() as connection:
            made = scans.submit(connection, new).scan_id
            admission.admit_interactive(connection, 1_000)  # as control would
        return made

    def runnable(self, name: str) -> Runnable:
        return self.registry.runnable[self.mill.stage_ids[name]]

    def claim(self, name: str, limit: int = 16) -> list[Claim]:
        return self.mill.claim(name, limit, owner=self.owner)

    def step(self, name: str) -> int:
        """Claim and run one micro-batch; how many runs ended."""
        claims = self.claim(name)
        return len(self.runner.run(self.runnable(name), claims).ended) if claims else 0

    def files(self) -> set[str]:
        """SHA-256 of every stored object."""
        root = Path(self.storage._root)
        return {path.name for path in root.rglob("*") if path.is_file() and re.fullmatch("[0-9a-f]{64}", path.name)}
