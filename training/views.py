"""Views of pictures that a teacher has answered once; batches are drawn from their parts again and again.

A teacher's answer costs as much as a step of the pupil, so it is asked about a few views of each picture,
and a batch is random parts of these, at any smaller size. The pupil must say of a part what the teacher said
of the whole view, so the parts are large.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime

from training import augment
from training.budget import Stage
from training.data import Floats, Pixels
from training.drawing import Batch
from training.teacher import FILE

SHOWN: Final = 224
"""Side of the view that the teacher is asked about, in pixels."""
KEPT: Final = 192
"""Side of the view that is kept."""
LEAST: Final = 0.7
"""Smallest share of a view's area in a part of it."""


@dataclass(frozen=True, slots=True)
class Views:
    """What was answered; forked processes share it."""

    pixels: Pixels
    """[V,192,192,3]"""
    targets: tuple[Any, ...]
    """What the recipe knows of each view: arrays [V,...]."""
    embedding: Floats
    """[V,1280], each of its numbers standardised over the views."""
    logits: Floats
    """[V,1001]"""


def answered(batches: Iterator[Batch], count: int, folder: Path, threads: int) -> Views:
    """Ask the teacher in `folder` about `count` batches `(pixels uint8 [N,224,224,3], *targets)`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / FILE, options, providers=["CPUExecutionProvider"])
    kept, told = [], []
    for pixels, *targets in islice(batches, count):
        image = np.ascontiguousarray(augment.unit(pixels).transpose(0, 3, 1, 2))
        seen = [half(one) for one in session.run(["embedding", "logits"], {"input": image})]
        kept.append(np.stack([cv2.resize(one, (KEPT, KEPT), interpolation=cv2.INTER_AREA) for one in pixels]))
        told.append((*targets, *seen))
    *targets, embedding, logits = (np.concatenate(column) for column in zip(*told, strict=True))
    return Views(np.concatenate(kept), tuple(targets), standard(embedding), logits)


def half(numbers: Any) -> Any:
    """In half precision: thousands of numbers for each view."""
    return numbers.astype(np.float16)


def standard(embedding: Any) -> Any:
    """Mean 0 and deviation 1 over the views."""
    whole = embedding.astype(np.float32)
    return half((whole - whole.mean(axis=0)) / (whole.std(axis=0) + 1e-3))


def drawn(rng: np.random.Generator, views: Views, stage: Stage) -> Batch:
    """`(pixels, *targets, embedding, logits)` of random parts of random views."""
    rows = rng.integers(len(views.pixels), size=stage.batch)
    parts = [augment.random_view(rng, views.pixels[row], stage.size, LEAST) for row in rows]
    pixels = augment.stacked([augment.colour(rng, part, 0.5) for part in parts])
    known = (*views.targets, views.embedding, views.logits)
    return pixels, *(target[rows] for target in known)
