"""Milliseconds per picture of every starter network, by batch, threads and precision, beside the machine's own floor.

Run: ``python -m bench.models [--times 5]``. ``bench.heatmaps`` and ``bench.pools`` measure Grad-CAM and thread pools.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from skimage import data

from bench.flops import gemm, together
from bench.house import machine, say
from pipeline.models.base import Model
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.room import FAMILIES
from pipeline.models.sessions import OnnxSession
from pipeline.models.settings import PACKS_ROOT
from training.arithmetic import gflop

STARTER = PACKS_ROOT / "starter"
BATCHES = (1, 5, 16, 64)
COMPARED = 16
"""Pictures at most in the other ways of asking: more say nothing new."""
THREADS = (1, 2)


def measure(times: int) -> dict[str, object]:
    """Each file of the starter pack once, although five classifiers share one."""
    entries = {e.file: e for e in read_manifest(STARTER / "manifest.toml", "starter").values()}
    found: dict[str, Any] = {}
    rates = [gemm(1)]
    for entry in entries.values():
        say(entry.file)
        found[entry.file] = _measured(entry, times)
        rates.append(gemm(1))
    rate = max(rates)
    for told in found.values():
        told["floor_cpu_ms"] = round(told["gflop"] / rate * 1000, 2)
    return {
        "gemm_gflops_per_core": round(rate, 1),
        "networks": found,
        "load": os.getloadavg()[0],
        "machine": machine(),
    }


def _measured(entry: ModelEntry, times: int) -> dict[str, Any]:
    content = (STARTER / entry.file).read_bytes()
    int8 = quantised(entry, content)
    told: dict[str, Any] = {"gflop": round(gflop(content), 3)}
    for precision, file in (("fp32", content), ("int8", int8)):
        for threads in THREADS:
            model = FAMILIES[entry.task](entry, OnnxSession(file, threads=threads))
            told[f"{precision}, threads {threads}: ms, cpu_ms"] = _by_batch(model, times)
    return told


def _by_batch(model: Model[Any], times: int) -> dict[str, list[float]]:
    """Per picture: asked for one by one, together (in the passes our session makes: of one, on a CPU), in one pass."""
    found: dict[str, Any] = {}
    for count in BATCHES:
        batch = model.pre_process(list(pictures(count)))
        names, spec = sorted(set(model.entry.outputs.values())), model.entry.input
        ways: dict[str, Callable[[], object]] = {f"{count}": partial(model.forward, batch)}
        if 1 < count <= COMPARED:
            ways[f"{count}, one by one"] = partial(_one_by_one, model, batch)
            ways[f"{count}, in one pass"] = partial(model.session.run, spec.name, batch, names)
        found |= {way: cost.per(count) for way, cost in together(ways, max(3, times // count)).items()}
    return found


def _one_by_one(model: Model[Any], batch: Any) -> None:
    for index in range(len(batch)):
        model.forward(batch[index : index + 1])


def pictures(count: int) -> Iterator[Any]:
    """Different parts of the sample cat."""
    cat = data.chelsea()  # type: ignore[no-untyped-call]  # the library has no types there
    for index in range(count):
        yield np.ascontiguousarray(cat[index % 60 : index % 60 + 240, 2 * index : 2 * index + 240])


def quantised(entry: ModelEntry, content: bytes) -> bytes:
    """Static int8 by ONNX Runtime's own tool, calibrated on eight pictures; for its speed, nobody judged its answers."""
    model = FAMILIES[entry.task](entry, OnnxSession(content))
    batch = model.pre_process(list(pictures(8)))

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        left = iter([{entry.input.name: batch[index : index + 1]} for index in range(len(batch))])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.left, None)

    with tempfile.TemporaryDirectory(prefix="scanmill-int8-") as folder:
        prepared, file = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(STARTER / entry.file), str(prepared), skip_symbolic_shape=True)
        quantize_static(prepared, file, Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
        return file.read_bytes()


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    print(json.dumps(measure(parser.parse_args().times)))


if __name__ == "__main__":
    main()
