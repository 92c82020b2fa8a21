"""`python -m training.remember --pictures FOLDER --features FILE --to FILE`: a PatchCore network of your own normal pictures."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx

from training import patchcore, served
from training.anomaly_limits import limits
from training.data import read_rgb
from training.patchcore_onnx import FEATURES, with_memory

KINDS = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def remember(folder: Path, features: Path, to: Path, size: int, seed: int) -> tuple[dict[str, float], str]:
    """Write the network; returns its thresholds, by every fifth picture, which it is not made of, and what it is of."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in KINDS)
    if len(files) < 5:
        message = f"{folder}: {len(files)} pictures, but at least five are needed"
        raise ValueError(message)
    side = served.session(features, 1).get_inputs()[0].shape[1]
    (seen,) = served.answers(features, [read_rgb(file) for file in files], side, (FEATURES,))
    held = np.arange(len(files)) % 5 == 4
    memory = patchcore.Memory.of(seen[~held].reshape(-1, seen.shape[-1]), size, seed)
    onnx.save(with_memory(onnx.load(str(features)), memory, seen.shape[1:3]), str(to))
    made_of = f"{(~held).sum()} normal pictures of {folder.name}; limits by {held.sum()} others of it"
    return limits(*patchcore.scores(memory, seen[held])), made_of


def told(to: Path, thresholds: Mapping[str, float], made_of: str) -> str:
    """The command that takes the network in, with everything it needs."""
    given = " ".join(f"--threshold {name}={value}" for name, value in thresholds.items())
    return (
        f"scanmill models add {to} --name thermal_patchcore --version 1 --task anomaly --licence ours --scale 255 "
        f"--mean 0.5,0.5,0.5 --std 0.5,0.5,0.5 {given} "
        f'--trained-on "{made_of}" --trained-at {datetime.now(UTC).date().isoformat()}'
    )


def main() -> None:
    """Write the file and say how it is taken in."""
    parser = argparse.ArgumentParser(prog="python -m training.remember", description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of normal pictures")
    parser.add_argument("--features", type=Path, required=True, help="patch_features.onnx")
    parser.add_argument("--to", type=Path, required=True, help="file to write, *.onnx")
    parser.add_argument("--patches", type=int, default=1500, help="how many patches are remembered")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    thresholds, made_of = remember(given.pictures, given.features, given.to, given.patches, given.seed)
    print(told(given.to, thresholds, made_of))


if __name__ == "__main__":
    main()
