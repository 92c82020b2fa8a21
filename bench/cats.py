"""What becomes of real photographs: cats accepted, faces found, landmarks accepted, crops that miss, others turned away.

Run: ``python -m bench.cats --data DATA [--truth DIR] [--only SET]``. DATA holds the training sets; looked at are only
pictures of the test part and sets that are kept whole for testing (training/data.py). DIR holds pictures with hand-made
points. Prints one JSON object: shares with n and Wilson's 95 % interval, and how often each code came up. No timing.

The subject's gate is left open and its verdict noted, so faces and landmarks are judged on all pictures, not only on
those that the gate lets through. ``bench/cat_difficulties.csv`` lists pictures by what is hard about them.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.models.room import ModelRoom
from pipeline.numbers import share
from pipeline.run import RunRecord, run_batch
from pipeline.systems import PIPELINES
from training.data import Floats, feline, only, pictures, without_cats
from training.faces import POINTS, face_of, true_points

LISTS: Final = Path(__file__).with_name("cat_difficulties.csv")
AT_ONCE: Final = 8


@dataclass(frozen=True)
class Photo:
    """A file, the six labelled points [6,2] (or five, without the nose) where there are some, and its lists."""

    path: Path
    points: Floats | None = None
    lists: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Seen:
    """What the pipeline made of a photo. ``missed``: for each area cut out, whether its labelled point is not on it."""

    photo: Photo
    probability: float
    accepted: bool
    face: bool
    landmarks: bool
    code: str
    missed: tuple[bool, ...]


def sets(data: Path, truth: Path | None) -> Iterator[tuple[str, list[Photo]]]:
    """The photographs by set; hand-marked ones only where there is a folder of them."""
    portraits = only(pictures(data, "cat_face_landmarks_pseudo"), "test")
    yield "portraits", [Photo(row.path, face_of(row).points) for row in portraits]
    if truth is not None:
        files = sorted(truth.glob("*.jpg"))
        yield "hand-marked", [Photo(file, true_points(file.with_suffix(".jpg.cat"))) for file in files]
    yield "pets", [Photo(row.path) for row in only(pictures(data, "cats_dogs"), "test") if feline(row)]
    yield "one home", [Photo(row.path) for row in pictures(data, "cats_maxogden_bsd")]
    yield "eyes", [Photo(row.path) for row in pictures(data, "cat_eye_conjunctivitis")]
    yield "not cats", [Photo(row.path, lists=_kinds(row.row)) for row in without_cats(data, "test")]
    wild = [row for name in ("imagenet_sample1000", "noncat_caltech101") for row in pictures(data, name)]
    yield "wild felids", [Photo(row.path) for row in wild if row.part != "train" and row.row["is_wild_felid"] == "1"]
    yield "listed", [Photo(path) for path in listed(data)]


def _kinds(row: Any) -> tuple[str, ...]:
    return ("dog",) if row.get("label") == "dog" else ()


def listed(data: Path) -> dict[Path, tuple[str, ...]]:
    """Every listed picture with its difficulties."""
    found: dict[Path, tuple[str, ...]] = {}
    with LISTS.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            path = data / row["dataset"] / "train" / row["file"]
            found[path] = (*found.get(path, ()), row["difficulty"])
    return found


def opened(room: ModelRoom) -> tuple[Pipeline, float]:
    """The cat pipeline up to its crops, with the subject's gate open, and the threshold the gate would have."""
    stages = PIPELINES[System.CAT_FACE].stages
    gate = next(stage for stage in stages if stage.name == "validate_subject")
    (name,) = gate.models
    threshold = room.load(name).threshold("subject", gate.parameters["threshold"])
    last = [stage.name for stage in stages].index("crop_regions")
    return Pipeline(
        System.CAT_FACE,
        tuple(replace(stage, threshold=0.0) if stage is gate else stage for stage in stages[: last + 1]),  # type: ignore[call-arg]  # the gate has one
    ), threshold


def look(photos: Sequence[Photo], room: ModelRoom) -> Iterator[Seen]:
    """Each photo through the opened pipeline."""
    pipeline, threshold = opened(room)
    for first in range(0, len(photos), AT_ONCE):
        chunk = photos[first : first + AT_ONCE]
        for photo, records in zip(chunk, run_batch(pipeline, [p.path.read_bytes() for p in chunk], room), strict=True):
            yield _seen(photo, records, threshold)


def _seen(photo: Photo, records: dict[str, RunRecord], threshold: float) -> Seen:
    probability = records["validate_subject"].data.get("probability", 0.0)
    failed = next((record for record in records.values() if record.ending.code), None)
    code = (failed.ending.code or "") if failed else "ok"
    if failed is not None and "reason" in failed.data:
        code += f": {failed.data['reason']}"
    accepted = probability >= threshold
    return Seen(
        photo,
        probability,
        accepted,
        face=records["detect_face"].ending.code is None,
        landmarks=records["detect_landmarks"].ending.code is None,
        code=code if accepted else "NOT_A_CAT",
        missed=_missed(photo, records["crop_regions"]),
    )


def _missed(photo: Photo, crops: RunRecord) -> tuple[bool, ...]:
    """Points are in pixels of the file, boxes of the canonical picture: equal up to 2,048 pixels a side."""
    if photo.points is None or not crops.data:
        return ()
    regions = {name: region["box"] for name, region in crops.data["regions"].items() if region["inside"]}
    points = zip(POINTS, photo.points.tolist(), strict=False)
    return tuple(not _holds(regions[name], x, y) for name, (x, y) in points if name in regions)


def _holds(box: dict[str, int], x: float, y: float) -> bool:
    return box["x"] <= x < box["x"] + box["width"] and box["y"] <= y < box["y"] + box["height"]


def told(seen: Sequence[Seen]) -> dict[str, Any]:
    """The rates of a set. ``to the end``: accepted, with a face and landmarks."""
    return {
        "accepted as a cat": share(one.accepted for one in seen),
        "face found": share(one.face for one in seen),
        "landmarks accepted": share(one.landmarks for one in seen),
        "to the end": share(one.accepted and one.landmarks for one in seen),
        "crops that miss their labelled point": share(missed for one in seen for missed in one.missed),
        "codes": dict(Counter(one.code for one in seen).most_common()),
    }


def measure(
    data: Path, truth: Path | None, chosen: Sequence[str] = (), packs: ModelRoom | None = None
) -> dict[str, Any]:
    """Set → rates; the listed difficulties each under their own name, dogs too."""
    room, found, hard = packs or ModelRoom.open(), dict[str, Any](), listed(data)
    groups: dict[str, dict[Path, Seen]] = {}
    for name, photos in sets(data, truth):
        if chosen and name not in chosen:
            continue
        seen = list(look(photos, room))
        if name != "listed":
            found[name] = told(seen)
        for one in seen:
            for difficulty in (*one.photo.lists, *(hard.get(one.photo.path, ()) if name == "listed" else ())):
                groups.setdefault(difficulty, {})[one.photo.path] = one
    found["difficulties"] = {name: told(list(members.values())) for name, members in groups.items()}
    gate = PIPELINES[System.CAT_FACE].by_name["validate_subject"].models[0]
    found["models"] = {name: room.load(name).entry.version for name in (gate, "cat_face_detector", "cat_landmarks")}
    return found


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--only", action="append", default=[], help="a set's name; may be repeated")
    given = parser.parse_args()
    print(json.dumps(measure(given.data, given.truth, given.only)))


if __name__ == "__main__":
    main()
