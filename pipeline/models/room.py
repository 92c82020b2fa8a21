"""The model room: finds a model's file, verifies its bytes, loads it once, and lets go of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import cv2

from pipeline.errors import ModelLoadError, ModelUnavailable
from pipeline.models.anomaly import AnomalyModel
from pipeline.models.base import Model
from pipeline.models.blaze_face import BlazeFaceModel
from pipeline.models.cascade import CascadeModel
from pipeline.models.classifier import ClassifierModel
from pipeline.models.detector import DetectorModel
from pipeline.models.embedding import EmbeddingModel
from pipeline.models.face_mesh import FaceMeshModel
from pipeline.models.heads import HeadsModel
from pipeline.models.input_spec import ManifestError
from pipeline.models.landmarks import LandmarksModel
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.matte import MatteModel
from pipeline.models.rembg_matte import RembgModel
from pipeline.models.saliency import SaliencyModel
from pipeline.models.sessions import OPENERS, Opening, Session, runtime_profile
from pipeline.models.settings import ModelSettings
from pipeline.models.source import FileCache, ModelSource
from pipeline.models.subject import SubjectModel
from pipeline.models.tabular import TabularModel
from pipeline.models.yolox import YoloxModel

FAMILIES: Final[Mapping[str, type[Model[Any]]]] = {
    "subject": SubjectModel,
    "detector": DetectorModel,
    "landmarks": LandmarksModel,
    "matte": MatteModel,
    "classifier": ClassifierModel,
    "heads": HeadsModel,
    "cascade": CascadeModel,
    "yolox": YoloxModel,
    "saliency": SaliencyModel,
    "rembg": RembgModel,
    "tabular": TabularModel,
    "embedding": EmbeddingModel,
    "anomaly": AnomalyModel,
    "blaze_face": BlazeFaceModel,
    "face_mesh": FaceMeshModel,
}

MOST_VERSIONS: Final = 3
"""Versions of one model that stay in memory: the current one, the one before that scans still have pinned, a new one."""


class ModelRoom:
    """Models by name and digest. Safe to use from several threads; sessions are made in the process that uses them.

    The first pack that has a name decides which version is current here; the other packs' entries of that name, and
    those that ``source`` knows, can still be loaded by their digest, so scans pinned to them finish.
    """

    def __init__(
        self,
        packs: Iterable[Mapping[str, ModelEntry]],
        settings: ModelSettings | None = None,
        source: ModelSource | None = None,
    ) -> None:
        self.settings = settings or ModelSettings()
        self._source = source
        self._cache = (
            FileCache(self.settings.cache, self.settings.cache_mb * 2**20) if source and self.settings.cache else None
        )
        cv2.setNumThreads(self.settings.threads)  # OpenCV's own pool would fight with the sessions of the other slots
        self._current: dict[str, ModelEntry] = {}
        self._known: dict[tuple[str, str], ModelEntry] = {}
        for entry in (entry for pack in packs for entry in pack.values()):
            self._current.setdefault(entry.name, entry)
            self._known.setdefault((entry.name, entry.digest), entry)
        self._lock = threading.RLock()
        self._models: dict[tuple[str, str], Model[Any]] = {}
        self._sessions: dict[tuple[str, str], Session] = {}

    @classmethod
    def open(cls, settings: ModelSettings | None = None, source: ModelSource | None = None) -> ModelRoom:
        """The packs that the settings name, and whatever else ``source`` knows. Raises ManifestError."""
        settings = settings or ModelSettings()
        if not settings.pack_names:
            raise ManifestError("SCANMILL_MODEL_PACKS names no pack")
        return cls(
            [read_manifest(settings.root / name / "manifest.toml", name) for name in settings.pack_names],
            settings,
            source,
        )

    @property
    def profile(self) -> str:
        """What may change the last bits of this room's numbers."""
        return runtime_profile(self.settings.threads, self.settings.device, self.settings.batch)

    def digests(self) -> dict[str, str]:
        """Current digest by name."""
        return {name: entry.digest for name, entry in sorted(self._current.items())}

    def entries(self) -> list[ModelEntry]:
        """All entries of the packs on this disk, the current ones of each name first."""
        return [entry for entry in self._known.values() if entry.folder is not None]

    def on_disk(self, entry: ModelEntry) -> bytes | None:
        """The file's bytes from a pack or the mirror; None when they are not there, or not the manifest's."""
        try:
            return self._read(entry)
        except ModelLoadError:
            return None

    def entry(self, name: str, digest: str | None = None) -> ModelEntry:
        """The manifest's entry, current or of that digest. Raises ModelUnavailable, or StorageUnavailable: ask again."""
        found = self._current.get(name) if digest is None else self._known.get((name, digest))
        if found is None and digest is not None and self._source is not None:
            found = self._source.entry(name, digest)
            if found is not None:
                self._known[name, digest] = found
        if found is None:
            raise ModelUnavailable(f"neither packs nor storage have {name} {digest or ''}".rstrip())
        return found

    def mark(self) -> object:
        """A value that differs from an earlier one when ``entry`` may know more than then. Raises StorageUnavailable."""
        return self._source.mark() if self._source is not None else None

    def load(self, name: str, digest: str | None = None) -> Model[Any]:
        """The model, loaded on the first call. Raises ModelUnavailable or ModelLoadError; a failure is not remembered."""
        entry = self.entry(name, digest)
        key = (entry.name, entry.digest)
        with self._lock:
            model = self._models.pop(key, None) or self._build(entry)
            self._models[key] = model  # the last in line is the one that was used last
            same = [known for known in self._models if known[0] == name]
            if len(same) > MOST_VERSIONS:
                self._keep(lambda known: known != same[0])
            return model

    def release(self, name: str | None = None) -> None:
        """Let go of one model's memory, or of all; runs that hold a model keep it until they end."""
        with self._lock:
            self._keep(lambda key: name not in (None, key[0]))

    def _keep(self, wanted: Callable[[tuple[str, str]], bool]) -> None:
        self._models = {key: model for key, model in self._models.items() if wanted(key)}
        used = {(model.entry.runtime, model.entry.sha256) for model in self._models.values()}
        self._sessions = {key: session for key, session in self._sessions.items() if key in used}

    def _build(self, entry: ModelEntry) -> Model[Any]:
        family = FAMILIES.get(entry.task)
        if family is None:
            raise ModelLoadError(f"{entry.name}: task {entry.task!r} is none of {sorted(FAMILIES)}")
        if entry.mock and (not self.settings.allow_mock or self.settings.environment == "production"):
            raise ModelLoadError(
                f"{entry.name} is a mock; these load only with SCANMILL_MODEL_ALLOW_MOCK, never in production"
            )
        key = (entry.runtime, entry.sha256)
        if key not in self._sessions:
            content = self._verified(entry)
            opener = OPENERS[entry.runtime]
            settings, given = self.settings, entry.input
            share = settings.gpu_bytes_of(len({known.sha256 for known in self._current.values()}))
            how = Opening(given.name, given.dtype, settings.threads, settings.device, settings.batch, share)
            self._sessions[key] = opener(content, how)
        return family(entry, self._sessions[key])

    def _verified(self, entry: ModelEntry) -> bytes:
        """The file's bytes, read once and equal to the manifest's SHA-256; from a pack if it is there."""
        content = self._read(entry)
        return self._fetched(entry) if content is None else content

    def _read(self, entry: ModelEntry) -> bytes | None:
        place = next((path for path in self._places(entry) if path.is_file()), None)
        if place is None:
            return None
        try:
            content = place.read_bytes()
        except OSError as error:
            raise ModelLoadError(f"{entry.name}: {place} cannot be read: {error}") from error
        return _checked(entry, content, str(place))

    def _places(self, entry: ModelEntry) -> list[Path]:
        places = [entry.folder / entry.file] if entry.folder else []
        mirror = self.settings.mirror
        if mirror and "://" not in mirror:  # a URL is for fetching; loading never leaves the machine
            places += [Path(mirror) / entry.file] if entry.folder else []
            places.append(Path(mirror) / entry.sha256)
        return places

    def _fetched(self, entry: ModelEntry) -> bytes:
        """The file from the cache, or from wherever the source keeps it."""
        if self._source is None:
            tried = [str(place.parent) for place in self._places(entry)]
            raise ModelUnavailable(f"{entry.name}: {entry.file} is in none of {tried}")
        kept = self._cache.get(entry.sha256) if self._cache else None
        if kept is not None:
            return kept
        content = _checked(entry, self._source.content(entry), "storage")
        if self._cache:
            self._cache.put(entry.sha256, content)
        return content


def _checked(entry: ModelEntry, content: bytes, place: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ModelLoadError(f"{entry.name}: {place} has not the file of the manifest ({len(content)} bytes)")
    return content
