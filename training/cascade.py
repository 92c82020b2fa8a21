"""Tune the cataract cascade's band on the validation part, and say what each policy then reaches on the test part."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from training import served
from training.bands import Band, band, least_pictures, within_error, within_share
from training.data import Part
from training.evaluate import Metric
from training.eyes import eyes
from training.grouped import accuracy, grouped
from training.onnx_cam import LOGITS
from training.recipes.cataract_fast import FILE as FAST
from training.recipes.cataract_strong import FILE as EYES
from training.recipes.eyes import SIZE

SURE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Answers:
    """Chances of cataract [N] by the fast and the strong model, what is true [N], and whose copies the pictures are."""

    fast: NDArray[Any]
    strong: NDArray[Any]
    positive: NDArray[Any]
    groups: list[str]


def answers(data: Path, pack: Path, part: Part) -> Answers:
    """Of one part of the cataract set, as the pack's files answer on a CPU."""
    asked = eyes(data, part)
    rows, logits = served.answers(pack / EYES, asked.images, SIZE, ("embedding", LOGITS))
    booster = lightgbm.Booster(model_file=str(pack / FAST))
    fast = np.asarray(booster.predict(rows, num_threads=1))
    strong = 1 / (1 + np.exp(logits[:, 0].astype(np.float64) - logits[:, 1]))
    return Answers(fast, strong, asked.cataract.astype(bool), asked.groups)


def policies(told: Answers, low: float, high: float) -> dict[str, NDArray[Any]]:
    """Chance of cataract [N] by policy; the ensemble weighs both alike."""
    inside = (told.fast >= low) & (told.fast <= high)
    return {
        "fast": told.fast,
        "strong": told.strong,
        "cascade": np.where(inside, told.strong, told.fast),
        "ensemble": (told.fast + told.strong) / 2,
    }


def reached(told: Answers, low: float, high: float, on: str) -> list[Metric]:
    """Accuracy of each policy, and the share that the cascade asks, with intervals over groups."""
    found = [
        grouped(name, told.groups, accuracy((chance >= 0.5) == told.positive), on)
        for name, chance in policies(told, low, high).items()
    ]
    inside = (told.fast >= low) & (told.fast <= high)
    return [*found, grouped("asked by the cascade", told.groups, accuracy(inside), on)]


def line(part: str, found: Band, groups: int) -> str:
    """A band's counts on one part, for people."""
    return f"{part}, {groups} groups: asked {found.asked}, wrong among the answered {found.wrong}"


def tuned(held: Answers, share: float | None, error: float | None) -> Band:
    """The band that keeps one of the budgets on these answers. Raises ValueError, with why, where none is shown to."""
    if share is not None:
        chosen, least = within_share(held.fast, held.positive, share, SURE), ""
    else:
        assert error is not None
        chosen = within_error(held.fast, held.positive, error, SURE)
        least = f"; it takes {least_pictures(error, SURE)} answers without an error"
    if chosen is None:
        raise ValueError(f"{len(held.groups)} pictures cannot show that any band keeps this budget{least}")
    return chosen


def page(chosen: Band, parts: Mapping[str, Answers]) -> str:
    """The band, what it does to each part, and what each policy reaches on the last one."""
    lines = [f"low {chosen.low:.4f}, high {chosen.high:.4f}; bounds one-sided, at {SURE:.0%} confidence each"]
    half = float(np.log(chosen.high / chosen.low))
    for part, told in parts.items():
        lines.append(line(part, band(told.fast, told.positive, half, SURE), len(set(told.groups))))
    part, told = list(parts.items())[-1]
    found = reached(told, chosen.low, chosen.high, f"{part} part")
    lines += [f"{one.name}: {one.value:.3f} ({one.low:.3f} to {one.high:.3f} over groups), {one.on}" for one in found]
    return "\n".join(lines)


def main() -> None:
    """Print the band and what it costs."""
    parser = argparse.ArgumentParser(prog="python -m training.cascade", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--pack", type=Path, required=True, help="folder with eyes.onnx and cataract_fast.txt")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--share", type=float, help="at most this share reaches the strong model")
    budget.add_argument("--error", type=float, help="at most this share of the fast model's own answers is wrong")
    given = parser.parse_args()
    held = answers(given.data, given.pack, "validation")
    try:
        chosen = tuned(held, given.share, given.error)
    except ValueError as refusal:
        parser.exit(1, f"{refusal}\n")
    print(page(chosen, {"validation": held, "test": answers(given.data, given.pack, "test")}))


if __name__ == "__main__":
    main()
