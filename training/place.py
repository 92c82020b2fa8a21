"""Where a recipe reads and writes; handed to it whole, so that no recipe knows a machine."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import keras

from training.budget import Budget
from training.evaluate import Metric
from training.progress import Progress
from training.provenance import command, commit
from training.stopping import Stop

CARDS: Final = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True)
class Place:
    """The folders and the seed of one run."""

    data: Path
    out: Path
    seed: int = 7
    teacher: Path | None = None
    truth: Path | None = None
    start: Path | None = None
    """Weights of the same network to go on from."""
    form: str = ""
    """Of the network, where a recipe has several; empty for its own."""
    resume: bool = False
    """Go on from the checkpoint, if there is one."""
    progress: Progress = field(default_factory=Progress)
    stop: Stop = field(default_factory=Stop)
    noted: list[dict[str, Any]] = field(default_factory=list)
    """What was measured, model by model."""
    began: float = field(default_factory=time.monotonic)

    @property
    def body(self) -> Path | None:
        """The distilled body, if its recipe ran before into the same folder."""
        file = self.weights("body")
        return file if file.exists() else None

    def weights(self, recipe: str) -> Path:
        """Where a recipe keeps its weights."""
        return self.out / f"{recipe}.weights.h5"

    def checkpoint(self, recipe: str) -> Path:
        """Where a run of a recipe keeps what it needs to go on."""
        return self.out / f"{recipe}.checkpoint"

    def trained(self, recipe: str, budget: Budget, done: Sequence[Mapping[str, Any]], **facts: Any) -> None:
        """Keep beside the weights how they came about: `done` holds what the stages were and how they ended."""
        known = {
            "budget": budget.name,
            "scale": budget.scale,
            "stages": list(done),
            "form": self.form or None,
            "minutes": round((time.monotonic() - self.began) / 60, 1),
            "seed": self.seed,
            "day": datetime.now(UTC).date().isoformat(),
            "start": self.start.name if self.start else None,
            "commit": commit(),
            "command": command(),
            "machine": machine(),
            "with": f"Keras {version('keras')} on {keras.config.backend()}, {keras.config.dtype_policy().name}",
        }
        told = {**known, **facts}
        (self.out / f"{recipe}.run.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

    def ran(self, recipe: str) -> dict[str, Any]:
        """What `trained` kept."""
        kept: dict[str, Any] = json.loads((self.out / f"{recipe}.run.json").read_text(encoding="utf-8"))
        return kept

    def note(self, recipe: str, name: str, metrics: Sequence[Metric], **facts: Any) -> None:
        """Keep what was measured of the model `name` as `<name>.json`, with how it was trained, and say it."""
        record = {"metrics": [asdict(metric) for metric in metrics], "run": self.ran(recipe), **facts}
        text = json.dumps(record, indent=1, sort_keys=True) + "\n"
        (self.out / f"{name}.json").write_text(text, encoding="utf-8")
        self.noted.extend({"model": name, **metric} for metric in record["metrics"])
        for metric in metrics:
            print(f"{metric.name}: {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}] n={metric.n} ({metric.on})")


def machine() -> str:
    """Cores and card, in words."""
    models = [
        line.partition(":")[2].strip()
        for file in sorted(CARDS.glob("*/information"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("Model")
    ]
    return f"{os.cpu_count()} CPU cores, " + (f"one {models[0]}" if models else "no GPU")
