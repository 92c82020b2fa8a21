"""`python -m training.remember --pictures FOLDER --features FILE --to FILE`: a PatchCore network of your own normal pictures."""

import argparse
from pathlib import Path

import numpy as np
import onnx

from training import patchcore, served
from training.data import read_rgb
from training.patchcore_onnx import FEATURES, with_memory

KINDS = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


def remember(folder: Path, features: Path, to: Path, size: int, seed: int) -> float:
    """Write the network; returns the score that 95 % of the pictures stay below that it was not made of (every fifth)."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in KINDS)
    if len(files) < 5:
        message = f"{folder}: {len(files)} pictures, but at least five are needed"
        raise ValueError(message)
    side = served.session(features, 1).get_inputs()[0].shape[1]
    (seen,) = served.answers(features, [read_rgb(file) for file in files], side, (FEATURES,))
    held = np.arange(len(files)) % 5 == 4
    memory = patchcore.Memory.of(seen[~held].reshape(-1, seen.shape[-1]), size, seed)
    onnx.save(with_memory(onnx.load(str(features)), memory, seen.shape[1:3]), str(to))
    return patchcore.threshold(patchcore.scores(memory, seen[held])[1])


def main() -> None:
    """Write the file and say the threshold."""
    parser = argparse.ArgumentParser(prog="python -m training.remember", description=__doc__)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of normal pictures")
    parser.add_argument("--features", type=Path, required=True, help="patch_features.onnx")
    parser.add_argument("--to", type=Path, required=True, help="file to write, *.onnx")
    parser.add_argument("--patches", type=int, default=1500, help="how many patches are remembered")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    print(f"threshold: {remember(given.pictures, given.features, given.to, given.patches, given.seed):.4f}")


if __name__ == "__main__":
    main()
