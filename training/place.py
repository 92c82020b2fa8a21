"""Where a recipe reads and writes; handed to it whole, so that no recipe knows a machine."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training import export
from training.evaluate import Metric


@dataclass(frozen=True, slots=True)
class Place:
    """The folders and the seed of one run."""

    data: Path
    out: Path
    seed: int = 7
    teacher: Path | None = None
    truth: Path | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def body(self) -> Path | None:
        """The distilled body, if its recipe ran before into the same folder."""
        file = self.out / "body.weights.h5"
        return file if file.exists() else None

    def note(self, name: str, metrics: Sequence[Metric], **facts: Any) -> None:
        """Keep what was measured as `<name>.json`, and say it."""
        minutes = round((time.monotonic() - self.began) / 60, 1)
        export.note(self.out / f"{name}.json", metrics, seed=self.seed, minutes=minutes, **facts)
        for metric in metrics:
            print(f"{metric.name}: {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}] n={metric.n} ({metric.on})")
