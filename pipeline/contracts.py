"""The words everyone shares: states, outcomes and the plain values that pass between rooms (stdlib only)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class System(StrEnum):
    """A product: one pipeline of stages behind one name."""

    CAT_FACE = "cat_face"
    SKIN_HAIR = "skin_hair"
    SKINCARE = "skincare"
    THERMAL = "thermal"
    CATARACT = "cataract"


NUMBER_OPTIONS: Final = {"emissivity": (0.01, 1.0)}
"""Options of a scan that are numbers → least and most. All others are switches."""


class Queue(StrEnum):
    """The kind of hands a stage needs; with a lane it names a Celery queue (``gpu.bulk``)."""

    CPU = "cpu"
    GPU = "gpu"
    TRAIN = "train"


class Lane(IntEnum):
    """Order of claiming: every interactive run goes before any bulk run."""

    INTERACTIVE = 0
    BULK = 1


class RunState(StrEnum):
    """State of a stage run. The last six are outcomes, and final.

    blocked → ready | skipped | cancelled;  ready → leased | ok (reused) | cancelled
    leased  → ok | skipped | abstained | rejected | failed | cancelled, or back to ready
    """

    BLOCKED = "blocked"
    READY = "ready"
    LEASED = "leased"
    OK = "ok"
    SKIPPED = "skipped"
    ABSTAINED = "abstained"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self not in _OPEN_RUN_STATES


_OPEN_RUN_STATES = frozenset({RunState.BLOCKED, RunState.READY, RunState.LEASED})


class ScanStatus(StrEnum):
    """queued → running → one of the last five; a status never goes backwards."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self not in (ScanStatus.QUEUED, ScanStatus.RUNNING)


class InputKind(StrEnum):
    """Where a scan's picture comes from."""

    UPLOAD = "upload"
    URL = "url"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """Axis-aligned box in pixels of the canonical image: x, y of the top-left corner, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Detection:
    """One detected object: box, confidence and class label.

    A network's confidence lies in 0..1; a cascade's is its number of neighbouring hits (2, 3, …) and no probability.
    """

    box: BoundingBox
    confidence: float
    label: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a classifier says of a region, or of the whole image when ``region`` is None.

    ``label`` may be ``uncertain`` (``needs_review`` is then true): an answer, not a failure.
    """

    region: str | None
    label: str
    confidence: float
    probabilities: dict[str, float]
    needs_review: bool = False
