"""`python -m bench.memory`: what a PatchCore memory of 10,000 vectors costs per picture, and which part costs it."""

from __future__ import annotations

import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from pipeline.contracts import System
from pipeline.imaging.anomaly_map import smooth, spots
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.run import run_in_memory
from pipeline.systems import PIPELINES
from tests.thermograms import thermogram
from training.patchcore import Memory
from training.patchcore_onnx import with_memory
from training.served import sha256
from training.toml import document

VECTORS: Final = 10_000
ROUNDS: Final = 40
LIMITS: Final = {"typical_score": 2.0, "score": 3.0, "typical_place": 2.0, "place": 3.0}


def main() -> None:
    """One JSON line: ms of processor time and of wall time, median of forty, one thread."""
    with tempfile.TemporaryDirectory() as folder:
        room = _room(Path(folder))
        model = room.load("thermal_patchcore")
        features = room.load("patch_features")
        pictures = [thermogram(number, hot=bool(number % 2)) for number in range(ROUNDS)]
        answer: Any = model.predict([pictures[1].pixels])[0]
        stages: dict[str, list[float]] = {}

        def scan(number: int) -> None:
            for name, record in run_in_memory(PIPELINES[System.THERMAL], pictures[number].png, room).items():
                stages.setdefault(name, []).append(record.compute_ms)

        told = {
            "vectors": VECTORS,
            "features": _time(lambda number: features.predict([pictures[number].pixels])),
            "features and memory": _time(lambda number: model.predict([pictures[number].pixels])),
            "map and boxes": _time(lambda _: spots(smooth(answer.map), 3.0, 320, 240, tight=0.5, least=0.001)),
            "whole pipeline, in memory": _time(scan),
            "stages, wall": {name: round(statistics.median(times), 1) for name, times in stages.items()},
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(told))


def _time(work: Callable[[int], object]) -> dict[str, float]:
    work(0)
    took: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        work(number)
        took.append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    walls, cpus = zip(*took, strict=True)
    return {"cpu_ms": round(statistics.median(cpus), 1), "wall_ms": round(statistics.median(walls), 1)}


def _room(folder: Path) -> ModelRoom:
    """The starter pack and a memory of random vectors, which costs what any other costs."""
    starter = read_manifest(PACKS_ROOT / "starter" / "manifest.toml", "starter")
    entry = dict(starter["patch_features"].table)
    rng = np.random.default_rng(0)
    bank = rng.normal(0, 1, (VECTORS, 96)).astype(np.float32)
    memory = Memory(bank, np.ones(96, np.float32), rng.integers(0, VECTORS, (VECTORS, 9)))
    file = folder / "memory.onnx"
    onnx.save(with_memory(onnx.load(str(PACKS_ROOT / "starter" / entry["file"])), memory, (14, 14)), str(file))
    known = {"name": "thermal_patchcore", "file": file.name, "sha256": sha256(file), "task": "anomaly"}
    outputs = {"outputs": {"score": "score", "map": "map"}, "thresholds": LIMITS}
    dropped = {key: value for key, value in entry.items() if key not in ("metrics", "card", "bytes")}
    (folder / "manifest.toml").write_text(document([{**dropped, **known, **outputs}]), encoding="utf-8")
    return ModelRoom([read_manifest(folder / "manifest.toml", "bench"), starter], ModelSettings(threads=1))


if __name__ == "__main__":
    main()
