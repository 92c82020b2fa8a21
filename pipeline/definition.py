"""A pipeline: one system's stages, in order, and the checks that make the order safe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pipeline.stage import Stage


@dataclass(frozen=True)
class Pipeline:
    """The literal list of stages of one system. Every need must stand earlier in the list."""

    system: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for stage in self.stages:
            missing = {*stage.needs, *stage.optional} - seen
            if missing:
                raise ValueError(f"{self.system}: {stage.name} needs {sorted(missing)} before it")
            if stage.name in seen:
                raise ValueError(f"{self.system}: two stages are named {stage.name}")
            seen.add(stage.name)

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        return {stage.name: stage for stage in self.stages}

    @property
    def options(self) -> frozenset[str]:
        """Names of the switches a scan may set, and of the numbers and choices that its stages read."""
        switches = {stage.switch for stage in self.stages if stage.switch}
        return frozenset(switches.union(*(stage.reads for stage in self.stages)))

    @property
    def models(self) -> frozenset[str]:
        """Manifest names of all models that its stages use."""
        return frozenset(name for stage in self.stages for name in stage.models)

    def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> Pipeline:
        """The same stages with other fields, by the stage's name."""
        return replace(self, stages=tuple(replace(stage, **changes.get(stage.name, {})) for stage in self.stages))

    def without(self, names: Collection[str]) -> Pipeline:
        """The pipeline without these stages. Raises ValueError when another stage cannot do without one."""
        kept = (stage for stage in self.stages if stage.name not in names)
        return replace(
            self,
            stages=tuple(
                replace(stage, optional=tuple(each for each in stage.optional if each not in names)) for stage in kept
            ),
        )

    def specification(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """The pipeline as data, for the ledger. ``digests``: model name → SHA-256 of its manifest entry and file."""
        return {
            "system": str(self.system),
            "stages": [
                {
                    "name": stage.name,
                    "kind": stage.kind,
                    "version": stage.version,
                    "queue": str(stage.queue),
                    "deadline_s": stage.deadline_s,
                    "needs": list(stage.needs),
                    "optional": list(stage.optional),
                    "switch": stage.switch,
                    "reuse_for_s": stage.reuse_for_s,
                    "parameters": json.loads(json.dumps(stage.parameters)),
                    "models": {name: digests[name] for name in stage.models},
                }
                for stage in self.stages
            ],
        }


def version_of(specification: Mapping[str, Any]) -> str:
    """SHA-256 over a specification: the name of this exact pipeline."""
    return hashlib.sha256(json.dumps(specification, sort_keys=True).encode()).hexdigest()
