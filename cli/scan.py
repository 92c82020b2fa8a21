"""A scan as the service tells it, for the client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_FINAL = frozenset({"succeeded", "partial", "rejected", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a scan; `size` in bytes, `sha256` in hexadecimal."""

    name: str
    sha256: str
    size: int
    media_type: str
    expired: bool


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage of a scan: `state` is blocked, ready, leased or its outcome; times are RFC 3339 texts.

    `compute_ms` is the work's own time, without waiting; None while the stage is open, reused or skipped.
    """

    name: str
    state: str
    code: str | None
    attempts: int
    reused: bool
    compute_ms: float | None
    started_at: str | None
    finished_at: str | None
    models: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scan:
    """One picture through one pipeline; `report` is None until the scan has ended, `raw` the answer as it came."""

    id: str
    system: str
    status: str
    code: str | None
    filename: str | None
    report: dict[str, Any] | None
    artifacts: tuple[Artifact, ...]
    stages: tuple[StageRun, ...]
    raw: dict[str, Any]

    @property
    def finished(self) -> bool:
        return self.status in _FINAL

    @property
    def findings(self) -> dict[str, Any]:
        """What was found per region, in the order of the stages; empty where the scan ended before."""
        found = dict((self.report or {}).get("findings") or {})
        order = {stage.name.removeprefix("classify_"): place for place, stage in enumerate(self.stages)}
        return dict(sorted(found.items(), key=lambda pair: order.get(pair[0], len(order))))

    @property
    def health_score(self) -> float | None:
        value = (self.report or {}).get("health_score")
        return None if value is None else float(value)

    def artifact(self, name: str) -> Artifact | None:
        return next((artifact for artifact in self.artifacts if artifact.name == name), None)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Scan:
        """Read the service's JSON; a short answer (no report, no stages) is fine."""
        return cls(
            id=str(raw["id"]),
            system=str(raw.get("system", "")),
            status=str(raw["status"]),
            code=raw.get("code"),
            filename=raw.get("filename"),
            report=raw.get("report"),
            artifacts=tuple(_artifact(entry) for entry in raw.get("artifacts") or ()),
            stages=tuple(_stage(entry) for entry in raw.get("stages") or ()),
            raw=raw,
        )


def _artifact(raw: dict[str, Any]) -> Artifact:
    return Artifact(raw["name"], raw["sha256"], int(raw["size"]), raw["media_type"], bool(raw.get("expired")))


def _stage(raw: dict[str, Any]) -> StageRun:
    return StageRun(
        name=raw["name"],
        state=raw["state"],
        code=raw.get("code"),
        attempts=int(raw.get("attempts") or 0),
        reused=bool(raw.get("reused")),
        compute_ms=raw.get("compute_ms"),
        started_at=raw.get("started_at"),
        finished_at=raw.get("finished_at"),
        models=dict(raw.get("models") or {}),
    )
