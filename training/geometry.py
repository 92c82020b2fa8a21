"""How true faces measure against the pipeline's rules of geometry, and what the rules catch of spoiled ones.

Run: ``python -m training.geometry --data DATA``. Reads labels only: faces of `cat_face_landmarks_pseudo`, train part
for the extents and the spoiling, the others for the share that passes.
"""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipeline.imaging.face_geometry import LIMITS, broken_rule, measured
from training.data import Floats, only, pictures
from training.faces import FLIPPED, POINTS, Face, face_of

DEPTH: Final = np.array([0, 0, -0.5, -0.5, 0.45, 0.55], np.float32)
"""How far each point lies before the eyes, in distances between them: a guess, to turn a frontal face by."""
ROUNDS: Final = 3
"""How often each face is spoiled in each way."""

Spoiler = Callable[[np.random.Generator, Floats], Floats]


def in_crop(face: Face) -> Floats:
    """Points [6,2] in units of the head's square."""
    corner = np.array(face.centre, np.float32) - face.side / 2
    return np.asarray((face.points - corner) / face.side, np.float32)


def rule_of(points: Floats) -> str | None:
    """The rule that points in units of the crop break."""
    broken = broken_rule(named(points), 1.0)
    return broken.rule if broken else None


def named(points: Floats) -> dict[str, tuple[float, float]]:
    """Points by their names."""
    return {name: (float(x), float(y)) for name, (x, y) in zip(POINTS, points, strict=True)}


def extents(faces: list[Face]) -> dict[str, list[float]]:
    """Rule → lowest and highest value among true faces."""
    values: dict[str, list[float]] = {rule: [] for rule in LIMITS}
    for face in faces:
        for rule, value in measured(named(in_crop(face)), 1.0):
            values[rule].append(value)
    return {rule: [round(min(found), 3), round(max(found), 3)] for rule, found in values.items()}


def yawed(points: Floats, degrees: float) -> Floats:
    """A frontal face turned about the head's own upright axis, seen from far away."""
    eyes, across = points[:2].mean(axis=0), points[1] - points[0]
    apart = float(np.hypot(*across))
    along = across / apart
    down = np.array([-along[1], along[0]])
    x, y, turn = (points - eyes) @ along, (points - eyes) @ down, math.radians(degrees)
    moved = x * math.cos(turn) + DEPTH * apart * math.sin(turn)
    return np.asarray(eyes + moved[:, None] * along + y[:, None] * down, np.float32)


def turned(points: Floats, degrees: float) -> Floats:
    """A face turned in the picture."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.asarray((points - 0.5) @ np.array([[cos, sin], [-sin, cos]]) + 0.5, np.float32)


def one_elsewhere(rng: np.random.Generator, points: Floats) -> Floats:
    """One point anywhere in the crop."""
    spoiled = points.copy()
    spoiled[rng.integers(6)] = rng.random(2)
    return spoiled


SPOILERS: Final[dict[str, Spoiler]] = {
    "names shuffled": lambda rng, points: points[rng.permutation(6)],
    "left and right exchanged": lambda _, points: points[list(FLIPPED)],
    "points anywhere in the crop": lambda rng, _: rng.random((6, 2), np.float32),
    "one point anywhere in the crop": one_elsewhere,
    "upside down": lambda rng, points: turned(points, 180 + rng.normal(0, 17)),
    "profile, turned by 75 degrees": lambda rng, points: yawed(points, 75 * rng.choice([-1, 1])),
    "profile, turned by 60 degrees": lambda rng, points: yawed(points, 60 * rng.choice([-1, 1])),
    "half profile, turned by 40 degrees": lambda rng, points: yawed(points, 40 * rng.choice([-1, 1])),
    "turned by 20 degrees (no fault)": lambda rng, points: yawed(points, 20 * rng.choice([-1, 1])),
    "tilted by 45 degrees (no fault)": lambda rng, points: turned(points, 45 * rng.choice([-1, 1])),
}


def measure(data: Path, dataset: str = "cat_face_landmarks_pseudo") -> dict[str, Any]:
    """Extents, shares that pass by part, and shares that are caught by way of spoiling."""
    rows, rng = list(pictures(data, dataset)), np.random.default_rng(0)
    parts = {part: [face_of(row) for row in only(rows, part)] for part in ("train", "validation", "test")}
    train = [in_crop(face) for face in parts["train"]]
    passed = {part: [rule_of(in_crop(face)) is None for face in faces] for part, faces in parts.items()}
    return {
        "extents, train": extents(parts["train"]),
        "limits": LIMITS,
        "true faces that pass": {part: {"share": share(found), "n": len(found)} for part, found in passed.items()},
        "spoiled faces that are caught": {
            way: share([rule_of(spoil(rng, points)) is not None for points in train for _ in range(ROUNDS)])
            for way, spoil in SPOILERS.items()
        },
        "spoiled faces, each way": len(train) * ROUNDS,
    }


def share(found: list[bool]) -> float:
    """Share of what is true, to a tenth of a per cent."""
    return round(sum(found) / len(found), 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    print(json.dumps(measure(parser.parse_args().data)))
