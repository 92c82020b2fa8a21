"""Which published stages this code can run: a stage row becomes a Stage object again, with its pinned models."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from db.pipelines import StageSpec
from pipeline.definition import Pipeline
from pipeline.errors import ScanmillError, StorageUnavailable
from pipeline.models.base import Model
from pipeline.stage import Stage, load_models
from pipeline.systems import PIPELINES


class ModelLoader(Protocol):
    """What a registry asks of the model room."""

    def digests(self) -> dict[str, str]: ...
    def entry(self, name: str, digest: str | None = None) -> Any: ...
    def load(self, name: str, digest: str | None = None) -> Model[Any]: ...
    def mark(self) -> object: ...


def pipelines(extra: Iterable[str] = ()) -> list[Pipeline]:
    """The systems' pipelines, and those named ``module:NAME`` (for benchmarks and tests)."""
    found: list[Pipeline] = list(PIPELINES.values())
    for place in extra:
        module, _, name = place.partition(":")
        found.append(getattr(importlib.import_module(module), name))
    return found


@dataclass(frozen=True, slots=True)
class Runnable:
    """A published stage together with the object that runs it."""

    spec: StageSpec
    stage: Stage

    def models(self, room: ModelLoader) -> dict[str, Model[Any]]:
        """The stage's models, in the versions its pipeline pinned. Raises ModelLoadError or ModelUnavailable."""
        wanted = self.spec.models
        return load_models(wanted, lambda name: room.load(name, wanted[name]), alternatives=self.stage.alternatives)


class Registry:
    """The stages this process implements: same kind, same version, and models at hand."""

    def __init__(self, known: Iterable[Pipeline], room: ModelLoader, again_s: float = 1.0) -> None:
        """``again_s``: seconds between questions whether there is more to know of models that were not to be had."""
        self._kinds: dict[tuple[str, int], type[Stage]] = {
            (stage.kind, stage.version): type(stage) for pipeline in known for stage in pipeline.stages
        }
        self._room = room
        self.runnable: dict[int, Runnable] = {}
        self.newest = 0
        self._lacking: dict[int, StageSpec] = {}
        self._absent: set[tuple[str, str]] = set()
        self._mark: object = None
        self._again_s = again_s
        self._asked = -again_s

    def learn(self, published: Iterable[StageSpec]) -> None:
        """Look at newly published stages and keep those that can be run here.

        Stages that lack nothing but a model are looked at again when the room may know more. Raises StorageUnavailable
        when the room cannot say; whatever was not looked at is then still to be learned.
        """
        self._absent.clear()
        for spec in published:
            self._look_at(spec)
            self.newest = max(self.newest, spec.id)
        if self._lacking and time.monotonic() >= self._asked + self._again_s:
            self._asked = time.monotonic()
            self._look_again(self._room.mark())

    def _look_again(self, mark: object) -> None:
        if mark == self._mark:
            return
        self._absent.clear()
        for spec in list(self._lacking.values()):
            self._look_at(spec)
        self._mark = mark

    def _look_at(self, spec: StageSpec) -> None:
        kind = self._kinds.get((spec.kind, spec.version))
        if kind is None or not _knows_all(kind, spec):
            return
        self._lacking.pop(spec.id, None)
        if self._has_models(spec.models):
            self.runnable[spec.id] = Runnable(spec, _revive(kind, spec))
        else:
            self._lacking[spec.id] = spec

    def _has_models(self, models: Mapping[str, str]) -> bool:
        """Many stages name the same models, so each one that is absent is asked for once."""
        for wanted in models.items():
            if wanted in self._absent:
                return False
            try:
                self._room.entry(*wanted)
            except StorageUnavailable:
                raise
            except ScanmillError:
                self._absent.add(wanted)
                return False
        return True


def _knows_all(kind: type[Stage], spec: StageSpec) -> bool:
    """Whether this code has every parameter that was published: without one it would compute something else."""
    return spec.parameters.keys() <= {f.name for f in fields(kind)}


def _revive(kind: type[Stage], spec: StageSpec) -> Stage:
    parameters = {name: _frozen(value) for name, value in spec.parameters.items()}
    placing = {name: getattr(spec, name) for name in ("name", "needs", "optional", "switch", "reuse_for_s")}
    return kind(**placing, **parameters)


def _frozen(value: Any) -> Any:
    """JSON has lists where a stage has tuples."""
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
