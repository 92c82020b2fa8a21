"""Five areas with heat maps: the seed's way in Keras against forward passes with the map in the graph; and thread pools.

Run: ``python -m bench.heatmaps [--times 5]``. Both use one EfficientNetB1 with random weights (speed does not depend on
them). The seed's way (S0.38) is ``model.predict`` and an eager ``GradientTape`` for each area, one after another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from bench import pools
from bench.flops import least, together
from bench.house import machine, say
from bench.models import pictures
from pipeline.models.classifier import ClassifierModel
from pipeline.models.explanation import Explanation
from pipeline.models.input_spec import InputSpec
from pipeline.models.manifest import ModelEntry
from pipeline.models.sessions import OnnxSession
from training.onnx_cam import CAM, LOGITS, add_cam_outputs

SIZE, AREAS = 224, 5
LABELS = ("normal", "abnormal")


def measure(times: int) -> dict[str, object]:
    """Milliseconds for five areas of one scan, finding and map each, and what the map adds to the forward pass."""
    model = network()
    say("converting")
    bare, widened = converted(model)
    crops = [np.ascontiguousarray(crop[:SIZE, :SIZE]) for crop in pictures(AREAS)]
    told: dict[str, Any] = {}
    say("the seed's way and ours")
    seed = least(lambda: [seeds_way(model, crop) for crop in crops], max(2, times // 2))
    told["seed: ms, cpu_ms"] = seed.per(1)
    ways: dict[str, Callable[[], object]] = {}
    for threads in (1, 2):
        with_map = classifier(widened, {"logits": LOGITS, "cam": CAM}, Explanation(), threads)
        ways[f"ours, threads {threads}"] = partial(with_map.predict, crops)
    for way, cost in together(ways, 5 * times).items():
        told[f"{way}: ms, cpu_ms"] = cost.per(1)
        told[f"{way}: times as fast by ms, by cpu_ms"] = [
            round(seed.ms / cost.ms, 1),
            round(seed.cpu_ms / cost.cpu_ms, 1),
        ]
    say("with and without the map")
    for threads in (1, 2):
        one = classifier(bare, {"probabilities": "head"}, None, threads)
        two = classifier(widened, {"logits": LOGITS, "cam": CAM}, Explanation(), threads)
        batch = one.pre_process(crops)
        pair = together({"bare": partial(one.forward, batch), "map": partial(two.forward, batch)}, 5 * times)
        told[f"forward passes, threads {threads}: ms, cpu_ms"] = {way: cost.per(1) for way, cost in pair.items()}
        told[f"map adds, threads {threads}: share of ms, of cpu_ms"] = [
            round(pair["map"].ms / pair["bare"].ms - 1, 4),
            round(pair["map"].cpu_ms / pair["bare"].cpu_ms - 1, 4),
        ]
    return {**told, "pools": pools.measure(widened, 2 * times), "load": os.getloadavg()[0], "machine": machine()}


def network() -> Any:
    """EfficientNetB1 with average pooling and a dense softmax, as the seed's classifiers are (S0.18)."""
    keras.utils.set_random_seed(1)
    body = keras.applications.EfficientNetB1(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg"
    )
    return keras.Model(body.input, keras.layers.Dense(len(LABELS), activation="softmax", name="head")(body.output))


def seeds_way(model: Any, crop: Any) -> tuple[Any, Any]:
    """Prediction and normalised map of one crop, as the seed makes them."""
    batch = crop[None].astype(np.float32)
    chances = model.predict(batch, verbose=0)[0]
    watched = keras.Model(model.input, [model.get_layer("top_conv").output, model.output])
    with tf.GradientTape() as tape:
        features, found = watched(batch)
        score = found[:, int(chances.argmax())]
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(0, 1, 2))
    heat = tf.nn.relu(tf.squeeze(features[0] @ weights[..., None])).numpy()
    return chances, heat / max(heat.max(), 1e-12)


def converted(model: Any) -> tuple[bytes, bytes]:
    """The network as ONNX, without and with the map at the last convolution."""
    signature = [tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="image")]
    plain, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=17)
    widened = add_cam_outputs(plain, "top_conv")
    assert widened is not None
    return plain.SerializeToString(), widened.SerializeToString()


def classifier(content: bytes, outputs: dict[str, str], told: Explanation | None, threads: int) -> ClassifierModel:
    """The file behind our own session, as the pipeline uses it."""
    entry = ModelEntry(
        name="b1", version="bench", file="b1.onnx", sha256=hashlib.sha256(content).hexdigest(), runtime="onnx",
        licence="Apache-2.0", source="bench", task="classifier", input=InputSpec("image", (SIZE, SIZE)),
        outputs=outputs, labels={next(iter(outputs)): LABELS}, groups={}, thresholds={}, crop_scale=None,
        temperature=1.0, trained_on=(), metrics={}, explanation=told, card="", mock=False, pack="bench", folder=None, table={},
    )  # fmt: skip
    return ClassifierModel(entry, OnnxSession(content, threads=threads))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().times)))


if __name__ == "__main__":
    main()
