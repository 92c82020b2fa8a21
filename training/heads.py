"""Score the exported head detector and landmark network, the way the pipeline calls them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training import augment, served
from training.data import Floats, Picture, Pixels, read_rgb
from training.evaluate import Metric, average_precision, bootstrap, box_iou, suppress
from training.faces import Face, true_points

DETECTOR_SIZE: Final = 320
CROP_SIZE: Final = 96
FLOOR: Final = 0.05
"""Detections below this score are not looked at."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A head in pixels of its picture."""

    box: Floats
    score: float


def detect(file: Path, images: list[Pixels], least: float = FLOOR) -> list[list[Detection]]:
    """Heads of each picture, best first, after suppression."""
    boxed = [augment.letterbox(image, DETECTOR_SIZE) for image in images]
    if not boxed:
        return []
    boxes, scores = served.run(file, augment.unit([pixels for pixels, _ in boxed]), ("boxes", "scores"))
    found = []
    for (_, matrix), box, score in zip(boxed, boxes, scores, strict=True):
        kept = suppress(box, score, least)
        found.append([Detection(unboxed(box[index], matrix), float(score[index])) for index in kept])
    return found


def unboxed(box: Floats, matrix: Floats) -> Floats:
    """A box in input pixels back in pixels of the picture."""
    scale = float(matrix[0, 0])
    return np.array([*((box[:2] - matrix[:, 2]) / scale), *(box[2:] / scale)], np.float32)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one picture adds to the pooled precision: its scores, their hits, its heads."""

    scores: list[float]
    hits: list[bool]
    truths: int


def tally(found: list[Detection], face: Face | None) -> Tally:
    """Match the best detection that overlaps by half; a second one on the same head is a miss."""
    truth = None if face is None else np.array([*face.centre, face.side, face.side], np.float32)
    hits, taken = [], False
    for detection in found:
        hit = truth is not None and not taken and box_iou(detection.box, truth) >= 0.5
        taken |= hit
        hits.append(hit)
    return Tally([detection.score for detection in found], hits, int(face is not None))


def pooled_precision(tallies: list[Tally]) -> float:
    """Average precision over all pictures."""
    scores = [score for one in tallies for score in one.scores]
    hits = [hit for one in tallies for hit in one.hits]
    return average_precision(scores, hits, sum(one.truths for one in tallies))


def detector_metrics(file: Path, faces: list[Face], empties: list[Picture], least: float) -> list[Metric]:
    """AP50 over faces and pictures without, recall and false alarms at the fixed threshold."""
    tallies = detector_tallies(file, faces, empties)
    low, high = bootstrap(len(tallies), lambda chosen: pooled_precision([tallies[int(k)] for k in chosen]))
    with_face, without = tallies[: len(faces)], tallies[len(faces) :]
    found = [float(any(h and s >= least for s, h in zip(t.scores, t.hits, strict=True))) for t in with_face]
    alarms = [float(any(score >= least for score in one.scores)) for one in without]
    return [
        Metric("AP50", pooled_precision(tallies), low, high, len(tallies), "test part, machine-made boxes"),
        Metric.mean("recall at the threshold", found, "test part, pictures with a labelled face"),
        Metric.mean("pictures with a false alarm", alarms, "test part, pictures without a cat"),
    ]


def detector_tallies(file: Path, faces: list[Face], empties: list[Picture]) -> list[Tally]:
    """One tally for each face's picture, then for each picture without a cat."""
    pictures = [face.picture for face in faces] + empties
    wanted: list[Face | None] = [*faces, *([None] * len(empties))]
    tallies: list[Tally] = []
    for first in range(0, len(pictures), 64):
        found = detect(file, [picture.pixels() for picture in pictures[first : first + 64]])
        tallies += [tally(one, face) for one, face in zip(found, wanted[first : first + 64], strict=True)]
    return tallies


def head_crop(image: Pixels, box: Floats, size: int = CROP_SIZE) -> tuple[Pixels, Floats]:
    """The square about the box's centre, side = the longer side, grey outside the picture; its matrix."""
    side = float(max(box[2:]))
    matrix = augment.similarity((float(box[0]), float(box[1])), size / side, 0.0, (size / 2, size / 2))
    return augment.warp(image, matrix, size), matrix


def place(file: Path, images: list[Pixels], boxes: list[Floats]) -> tuple[Floats, Floats]:
    """Points [N,6,2] in pixels of their pictures and confidences [N]."""
    crops = [head_crop(image, box) for image, box in zip(images, boxes, strict=True)]
    points, sure = served.run(file, augment.unit([crop for crop, _ in crops]), ("points", "confidence"))
    for index, (_, matrix) in enumerate(crops):
        points[index] = (points[index] * CROP_SIZE - matrix[:, 2]) / matrix[0, 0]
    return points, sure


def true_point_errors(landmarks: Path, detector: Path, folder: Path) -> tuple[Floats, Floats, int]:
    """Errors [K,5] on the hand-made points (eyes, ear bases, mouth) as shares of the found head's side.

    Returns also the confidences [K] and how many pictures had no head found (their K is missing).
    """
    files = sorted(folder.glob("*.jpg"))
    images = [read_rgb(file) for file in files]
    found = detect(detector, images, 0.2)
    held = [index for index, heads in enumerate(found) if heads]
    boxes = [found[index][0].box for index in held]
    points, sure = place(landmarks, [images[index] for index in held], boxes)
    truth = np.stack([true_points(files[index].with_suffix(".jpg.cat")) for index in held])
    sides = np.array([max(box[2:]) for box in boxes], np.float32)
    missed = np.linalg.norm(points[:, [0, 1, 2, 3, 4]] - truth, axis=2) / sides[:, None]
    return missed.astype(np.float32), sure, len(files) - len(held)
