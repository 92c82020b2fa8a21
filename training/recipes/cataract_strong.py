"""Cataract or not, with a map: the eye encoder's last layers, unfrozen and trained on with the labels.

The encoder is the recipe `eyes`' where that ran into the same folder, else the starter pack's. The head begins as the best
straight line through the embedding; then head and last convolution learn from changed pictures (`training.eye_changes`)
at a rate that rises and falls, until the validation part says no better. `eyes.onnx` is the encoder with those layers beside
its own: gate, embedding, logits and map in one pass, and what the gate and the fast model see stays as it was.
"""

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import onnx
from keras import layers, ops

from training import augment, networks, served
from training.budget import Budget, Stage, Stages
from training.data import Floats, Pixels
from training.drawing import Batch
from training.evaluate import Doubles, fit_temperature
from training.eye_changes import CHANGES, changed
from training.eye_data import examined
from training.eyes import LABELS, Eyes, eyes
from training.eyes_scores import cataract_metrics
from training.fitting import Lesson, learn, log
from training.networks import WHOLE, cross_entropy
from training.onnx_cam import CAM, LOGITS, add_cam_outputs
from training.onnx_edit import Edited, attributes_of
from training.place import Place
from training.recipes import eyes as encoder
from training.revive import into

RECIPE: Final = "cataract_strong"
FILE: Final = "eyes.onnx"
LEAST: Final = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Shares of shrinkage that are tried; the validation part chooses."""
STAGES: Final[Stages] = {"cpu": (Stage(encoder.SIZE, 300, 32, 3e-4),), "gpu": (Stage(encoder.SIZE, 1500, 128, 3e-4),)}
UNFROZEN: Final = ("conv_1", "cataract")
"""The layers that learn."""
TOLERANCE: Final = 2e-3
"""Of a margin, between the network that learned and the file."""


def train(place: Place, budget: Budget) -> None:
    """Write `cataract_strong.weights.h5`."""
    data, below = examined(place), encoder.ready(place)
    shrink, line = straight(place)
    known, held = eyes(place.data, "train"), eyes(place.data, "validation")
    lesson = Lesson(
        recipe=RECIPE,
        at_size=lambda _, former: former or build(place.out / encoder.FILE, line),
        draw=lambda rng, stage: drawn(rng, known, stage, changed),
        loss=loss,
        stages=STAGES,
        validation=lambda rng, stage: drawn(rng, held, stage, unchanged),
        facts={
            "how": HOW.format(of=below["of"], changes=", ".join(one.name for one in CHANGES)),
            "encoder": below,
            "pictures_sha256": data["sha256"],
            "unfrozen": UNFROZEN,
            "shrinkage": shrink,
            "changes": {one.name: one.share for one in CHANGES},
            "rate": "rises over a twentieth of the steps, then a cosine to a hundredth",
        },
    )
    learn(lesson, place, budget)


def straight(place: Place) -> tuple[float, tuple[Doubles, float]]:
    """The shrinkage that the validation part chooses, and its line through the embedding."""
    (rows, labels), (held, known) = encoder.rows(place, "train"), encoder.rows(place, "validation")
    lines = {shrink: logistic(rows, labels, shrink) for shrink in LEAST}
    shrink = min(lines, key=lambda one: cross(held @ lines[one][0] + lines[one][1], known))
    log.info("shrinkage %g", shrink)
    return shrink, lines[shrink]


def build(file: Path, line: tuple[Doubles, float] | None = None) -> networks.Network:
    """The encoder in `file` with a head: [N,S,S,3] in -1..1 to logits [N,2]; only its last layers learn."""
    body = networks.mobile_body(None)
    into(body, file, None)
    pooled = layers.Dropout(0.3, dtype=WHOLE)(layers.GlobalAveragePooling2D(dtype=WHOLE)(body.output))
    network = keras.Model(body.input, layers.Dense(len(LABELS), dtype=WHOLE, name="cataract")(pooled), name=RECIPE)
    for layer in network.layers:
        layer.trainable = layer.name in UNFROZEN
    if line is not None:
        weights, offset = line
        network.get_layer("cataract").set_weights(
            [np.stack([-weights, weights], 1) / 2, np.array([-offset, offset]) / 2]
        )
    return network


def drawn(rng: np.random.Generator, known: Eyes, stage: Stage, view: Any) -> Batch:
    """As many of each class, each as `view(rng, image, size)` shows it."""
    labels = np.arange(stage.batch, dtype=np.int32) % len(LABELS)
    indices = [int(rng.choice(known.of_label(bool(label)))) for label in labels]
    return augment.stacked([view(rng, known.images[index], stage.size) for index in indices]), labels


def unchanged(_: np.random.Generator, image: Pixels, size: int) -> Pixels:
    """As it is served."""
    return augment.squash(image, size)


def loss(outputs: Any, labels: Any) -> Any:
    """Cross entropy, a little smoothed."""
    return ops.mean(cross_entropy(0.025 + 0.95 * ops.one_hot(labels, len(LABELS)), outputs))


def others(place: Place) -> None:
    """Write `eyes.onnx`: the encoder's graph with the layers that learned. Raises ValueError if it says something else."""
    keras.config.set_dtype_policy(WHOLE)  # a card learned in half precision; the file is compared in full
    network = build(place.out / encoder.FILE)
    network.load_weights(str(place.weights(RECIPE)))
    kernel, offset = network.get_layer("cataract").get_weights()
    line = kernel[:, 1] - kernel[:, 0], float(offset[1] - offset[0])
    convolution = network.get_layer("conv_1").get_weights()[0]
    onnx.save(with_head(place.out / encoder.FILE, *line, convolution), str(place.out / FILE))
    images = list(np.random.default_rng(0).integers(0, 256, (2, encoder.SIZE, encoder.SIZE, 3), np.uint8))
    here = np.diff(ops.convert_to_numpy(network(augment.unit(images), training=False)))
    gap = float(np.max(np.abs(np.diff(logits_of(place.out / FILE, images)) - here) / (1 + np.abs(here))))
    if not gap < TOLERANCE:
        message = f"{FILE}: the margin differs by {gap:.2g} from the network's"
        raise ValueError(message)


def cross(margins: Doubles, labels: Floats) -> float:
    """Mean cross entropy of margins [N], as if half of all eyes had cataract."""
    weight = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    return float(np.mean(weight * (np.logaddexp(0, margins) - labels * margins)))


def logistic(rows: Floats, labels: Floats, shrink: float, rounds: int = 12) -> tuple[Doubles, float]:
    """Weights [F] and offset of the balanced logistic regression; `shrink` is per squared, standardised weight."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    features = np.column_stack([(rows - mean) / scale, np.ones(len(rows))]).astype(np.float64)
    weight = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean())) / len(labels)
    penalty = np.append(np.full(rows.shape[1], shrink), 1e-6)
    line = np.zeros(features.shape[1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-np.clip(features @ line, -30, 30)))
        slope = features.T @ (weight * (chance - labels)) + penalty * line
        bend = (features * (weight * chance * (1 - chance))[:, None]).T @ features + np.diag(penalty)
        line = line - np.linalg.solve(bend, slope)
    weights = line[:-1] / scale
    return weights, float(line[-1] - weights @ mean)


def with_head(file: Path, weights: Doubles, offset: float, convolution: Floats | None = None) -> onnx.ModelProto:
    """The encoder's graph with logits (normal, cataract) and the map of each, [N,h,w,2], beside its own outputs.

    With a kernel [h,w,in,out] for its last convolution they are of that one, and all else stays as it was.
    """
    edited = Edited(onnx.load(str(file)))
    pooled = "embedding" if convolution is None else twin(edited, "embedding", convolution)
    kernel = np.stack([-weights / 2, weights / 2], axis=1)
    product = edited.add("MatMul", pooled, edited.constant(kernel))
    edited.add("Add", product, edited.constant([-offset / 2, offset / 2]), named="logits")
    edited.output("logits", ["N", 2])
    made = add_cam_outputs(edited.model, "top_activation")
    if made is None:
        message = f"{file.name} does not end in a mean and a dense layer"
        raise ValueError(message)
    del made.graph.output[[value.name for value in made.graph.output].index("logits")]
    onnx.checker.check_model(made)
    return made


def twin(edited: Edited, name: str, kernel: Floats) -> str:
    """What makes a tensor from the last convolution on, once more with another kernel; the new tensor's name."""
    first = edited.last_convolution(name)
    renamed: dict[str, str] = {}
    for index in [index for index in edited.needed(name) if index >= first]:
        node = edited.node(index)
        given = [renamed.get(one, one) for one in node.input]
        if index == first:
            given[1] = edited.constant(kernel.transpose(3, 2, 0, 1))
        elif given == list(node.input):
            continue
        renamed[node.output[0]] = edited.add(node.op_type, *given, **attributes_of(node))
    return renamed[name]


def logits_of(file: Path, images: list[Pixels]) -> Floats:
    """Logits [N,2] of whole pictures, as they are served."""
    return served.answers(file, images, encoder.SIZE, (LOGITS,))[0]


def score(place: Place) -> None:
    """Fit the temperature on the validation part; note the scores on the test part."""
    file, held = place.out / FILE, eyes(place.data, "validation")
    temperature = max(1.0, fit_temperature(logits_of(file, held.images), held.cataract))

    def chance(images: list[Pixels]) -> Any:
        logits = logits_of(file, images) / temperature
        return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))

    place.note(RECIPE, RECIPE, cataract_metrics(place, RECIPE, chance), temperature=temperature)


HOW: Final = (
    "The last convolution and a head of two classes on {of}, unfrozen; the head began as a straight line through the "
    "embedding. They learned from the train part's pictures with these changes: {changes}. The rate rose and fell along a "
    "cosine, and the validation part ended the training. One map a label at each of 5x5 places before pooling."
)
"""What the card of a model says that was made by today's recipe."""

OUTPUTS: Final = {"logits": LOGITS, "cam": CAM}
"""Roles of a classifier to names in the file."""
