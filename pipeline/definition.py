"""A pipeline: one system's stages, in order, and the checks that make the order safe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
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
        """Names of the switches a scan may set."""
        return frozenset(stage.switch for stage in self.stages if stage.switch)

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
                    "parameters": json.loads(json.dumps(stage.parameters)),
                    "models": {name: digests[name] for name in stage.models},
                }
                for stage in self.stages
            ],
        }


def version_of(specification: Mapping[str, Any]) -> str:
    """SHA-256 over a specification: the name of this exact pipeline."""
    return hashlib.sha256(json.dumps(specification, sort_keys=True).encode()).hexdigest()
