"""Photographs the seed's way against the service, in one run: what the queue, the batches and the maps in the graph gain.

Run: ``python -m bench.seeds_way [--photos DIR] [--count 200] [--baseline 20]``. The seed's way is its text (S0.16 to S0.39) done
plainly: one picture after the other, one process, models loaded once, MobileNetV3Small by ``predict``, a matte, a face, landmarks,
five EfficientNetB1 each by ``predict`` and then again under a ``GradientTape``, every picture saved. It is spared what the text
would cost beyond that: the model for the tape is built once, not for each area, and files go to a local folder, not over a network.

Both sides do the arithmetic of the same networks: matte, face and landmarks are the laden files of ``bench.ballast`` here
and there, here with all cores inside each pass. The Keras networks have random weights: their answers are not looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import keras
import numpy as np
import tensorflow as tf

from bench import photos
from bench.ballast import heavy_pack
from bench.house import machine, say
from pipeline.contracts import System
from pipeline.imaging.codec import decode_own, encode_jpeg, encode_png
from pipeline.imaging.crop import PixelBox, cut, on_grey
from pipeline.imaging.render import draw_preview
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings
from pipeline.models.tensors import squash
from pipeline.systems import PIPELINES
from training.data import as_pixels

SIZE: Final = 224
LAST: Final = "top_conv"
NETWORKS: Final[tuple[photos.Networks, ...]] = ("seed-size", "starter")


@dataclass
class Seed:
    """All models loaded, as the seed's process holds them."""

    room: ModelRoom
    validator: Any
    classifiers: dict[str, Any]
    watched: dict[str, Any]
    folder: Path

    @classmethod
    def loaded(cls, packs: Path, folder: Path) -> Seed:
        """``packs`` holds the laden starter pack; ``folder`` takes what the seed saves."""
        keras.utils.set_random_seed(1)
        entries = read_manifest(packs / "starter" / "manifest.toml", "starter")
        room = ModelRoom([entries], ModelSettings(threads=os.cpu_count() or 1))
        cropping = PIPELINES[System.CAT_FACE].by_name["crop_regions"]
        classifiers = {area: _classifier() for area in cropping.parameters["scales"]}
        watched = {
            area: keras.Model(model.input, [model.get_layer(LAST).output, model.output])
            for area, model in classifiers.items()
        }
        validator = keras.applications.MobileNetV3Small(weights=None, input_shape=(SIZE, SIZE, 3), classes=12)
        return cls(room, validator, classifiers, watched, folder)

    def predict(self, content: bytes) -> None:
        """One photograph from its bytes to its last saved picture."""
        picture: Any = decode_own(content)
        self.validator.predict(squash(picture, (SIZE, SIZE))[None].astype(np.float32), verbose=0)
        alpha = self.ask("background", picture)
        cutout = np.dstack([picture * (alpha > 0)[:, :, None], alpha])
        self.save("nobg.png", encode_png(cutout))
        found = self.ask("cat_face_detector", cutout[:, :, :3]) or self.ask("cat_face_detector", picture)
        best = max(found, key=lambda one: (one.confidence, one.box.area))
        x, y = best.box.centre
        box = PixelBox.square(x, y, max(best.box.width, best.box.height))
        part = box.within(*picture.shape[:2])
        face = on_grey(cut(picture, box), (box.height, box.width), part.x - box.x, part.y - box.y)
        self.save("face.jpg", encode_jpeg(face))
        points = self.ask("cat_landmarks", face).points
        apart = float(np.hypot(*np.subtract(points["right_eye"], points["left_eye"])))
        for area in self.classifiers:
            self.explain(area, _square(face, points[area], max(8.0, apart)))
        moved = [(x + box.x, y + box.y) for x, y in points.values()]
        self.save("preview.jpg", encode_jpeg(draw_preview(picture, [], moved)))

    def explain(self, area: str, crop: Any) -> None:
        """Prediction, then the seed's Grad-CAM and its overlay."""
        self.save(f"{area}.jpg", encode_jpeg(crop))
        batch = crop[None].astype(np.float32)
        chances = self.classifiers[area].predict(batch, verbose=0)[0]
        with tf.GradientTape() as tape:
            features, found = self.watched[area](batch)
            score = found[:, int(chances.argmax())]
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(0, 1, 2))
        heat = tf.nn.relu(tf.squeeze(features[0] @ weights[..., None])).numpy()
        heat = cv2.resize(heat / max(float(heat.max()), 1e-12), (crop.shape[1], crop.shape[0]))
        colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_JET)[:, :, ::-1]
        self.save(
            f"{area}_cam.jpg", encode_jpeg(as_pixels(cv2.addWeighted(crop, 0.6, np.ascontiguousarray(colours), 0.4, 0)))
        )

    def ask(self, name: str, picture: Any) -> Any:
        """One model's answer for one picture."""
        return self.room.load(name).predict([np.ascontiguousarray(picture)])[0]

    def save(self, name: str, content: bytes) -> None:
        """What the seed keeps of a photograph."""
        (self.folder / name).write_bytes(content)


def _classifier() -> Any:
    body = keras.applications.EfficientNetB1(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg"
    )
    return keras.Model(body.input, keras.layers.Dense(2, activation="softmax")(body.output))


def _square(face: Any, point: tuple[float, float], side: float) -> Any:
    part = cut(face, PixelBox.square(*point, side))
    return squash(part if part.size else face, (SIZE, SIZE))


def _timed(seed: Seed, contents: Sequence[bytes]) -> tuple[list[float], list[float]]:
    """Seconds by the clock and of processor time, for each photograph."""
    clock, used = [], []
    for content in contents:
        began, before = time.perf_counter(), time.process_time()
        seed.predict(content)
        clock.append(time.perf_counter() - began)
        used.append(time.process_time() - before)
    return clock, used


def measure(folder: Path | None, count: int, baseline: int, slots: int) -> dict[str, Any]:
    """Half of the baseline before the service runs and half after, so that a drift of the machine disturbs both."""
    contents = photos.pictures(folder, baseline + 2)
    with tempfile.TemporaryDirectory() as packs, tempfile.TemporaryDirectory() as saved:
        say("loading the seed's models")
        seed = Seed.loaded(heavy_pack(Path(packs)), Path(saved))
        _timed(seed, contents[baseline:])  # the first passes trace and allocate
        say(f"the seed's way: {baseline} photographs")
        first = _timed(seed, contents[: baseline // 2])
        told = {networks: photos.measure(folder, count, slots, networks) for networks in NETWORKS}
        second = _timed(seed, contents[baseline // 2 : baseline])
    clock, used = ([*a, *b] for a, b in zip(first, second, strict=True))
    seconds = sum(clock) / len(clock)
    ours = {name: float(str(found["seconds"])) / count for name, found in told.items()}
    return {
        "seed: seconds a photograph": round(seconds, 3),
        "seed: processor seconds a photograph": round(sum(used) / len(used), 3),
        "seed: photographs": len(clock),
        "ours in bulk: seconds a photograph": {name: round(value, 4) for name, value in ours.items()},
        "times as fast": {name: round(seconds / value, 1) for name, value in ours.items()},
        "ours, one photograph, p50 ms": {name: found["one_photo_p50_ms"] for name, found in told.items()},
        "photographs": count,
        "load": os.getloadavg()[0],
        "machine": machine(),
    }


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--baseline", type=int, default=20)
    parser.add_argument("--slots", type=int, default=2)
    given = parser.parse_args()
    print(json.dumps(measure(given.photos, given.count, given.baseline, given.slots)))


if __name__ == "__main__":
    main()
