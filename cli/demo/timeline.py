"""When each stage of a scan worked, as bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.scan import Scan, StageRun

_THINNEST = 0.4


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage: start and width in per cent of the scan's time (width 0: it did not work), what to say, its models."""

    name: str
    state: str
    left: float
    width: float
    said: str
    models: list[str]


def timeline(scan: Scan) -> tuple[list[Bar], float | None]:
    """A bar for each stage, and the seconds from the first stage's start to the last one's end (None: none worked)."""
    times = [(stage, _time(stage.started_at), _time(stage.finished_at)) for stage in scan.stages]
    starts = [start for _, start, _ in times if start]
    ends = [end for _, _, end in times if end]
    if not starts or not ends:
        return [], None
    first, total = min(starts), max((max(ends) - min(starts)).total_seconds(), 0.001)
    return [_bar(stage, start, end, first, total) for stage, start, end in times], total


def _bar(stage: StageRun, start: datetime | None, end: datetime | None, first: datetime, total: float) -> Bar:
    took = "" if stage.compute_ms is None else f"{stage.compute_ms:.0f} ms"
    said = "reused" if stage.reused else took if stage.state == "ok" else stage.code or stage.state
    models = [_model(found) for found in stage.models.values()]
    if start is None or end is None or stage.compute_ms is None:
        return Bar(stage.name, stage.state, 0, 0, said, models)
    left = 100 * (start - first).total_seconds() / total
    width = max(100 * (end - start).total_seconds() / total, _THINNEST)
    return Bar(stage.name, stage.state, left, width, said, models)


def _model(found: dict[str, Any]) -> str:
    return f"{found['name']} {found['version']} ({found['pack']}, {found['runtime']}, {found['digest'][:12]})"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
