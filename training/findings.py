"""Small networks for one finding of a face: a few convolutions, average pooling, one dense layer; as ONNX and TorchScript.

The seed names the number of convolutions and "FC" and leaves the rest open; pooling before the dense layer keeps the
map of each class exact (`training.cam`). The pictures are painted (`training.painted`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from pipeline.models.input_spec import InputSpec
from pipeline.models.tensors import to_batch
from training import augment, cam, networks, served, torchscript
from training.budget import Budget, Stage, Stages
from training.data import Floats, Pixels
from training.drawing import Batch
from training.entries.entry import IMAGENET
from training.evaluate import Metric, auc, bootstrap, expected_calibration_error, fit_temperature
from training.fitting import Lesson, imagenet, learn
from training.networks import WHOLE, copied, cross_entropy
from training.painted import Painted, close, sets
from training.place import Place
from training.served import Served

SIZE: Final = 224
SPEC: Final = InputSpec(name="image", size=(SIZE, SIZE), **IMAGENET)
STAGES: Final[Stages] = {
    "cpu": (Stage(SIZE, 800, 32, 2e-3),),
    "gpu": (Stage(SIZE, 3000, 128, 2e-3),),
}


def build(
    channels: Sequence[int], classes: int, size: int | None = None, most: float | None = None
) -> networks.Network:
    """[N,S,S,3], ImageNet's mean and deviation, to logits [N,C]; one convolution for each number of channels.

    `most` bounds the activations, which leaves finer steps where they are kept as integers.
    """
    image = x = keras.Input((size, size, 3))
    for number, width in enumerate(channels):
        side, stride = (7, 4) if number == 0 else (3, 1)
        x = layers.ZeroPadding2D(side // 2)(x)  # the same on all edges, as PyTorch pads
        x = layers.Conv2D(width, side, strides=stride, use_bias=False)(x)
        x = layers.ReLU(most)(layers.BatchNormalization()(x))
        if number + 1 < len(channels):
            x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.2, dtype=WHOLE)(layers.GlobalAveragePooling2D(dtype=WHOLE)(x))
    return keras.Model(image, layers.Dense(classes, name="head", dtype=WHOLE)(x))


def begin(network: networks.Network, after: "Finding", place: Place) -> networks.Network:
    """The network with another one's convolutions, as many as both have, if that was trained into the same folder."""
    if (file := place.weights(after.name)).exists():
        other = build(after.channels, len(after.labels))
        other.load_weights(str(file))
        own, theirs = ([layer for layer in one.layers if layer.weights][:-1] for one in (network, other))
        for layer, before in zip(own, theirs, strict=False):
            layer.set_weights(before.get_weights())
    return network


@dataclass(frozen=True, slots=True)
class Finding:
    """One network: its recipe's name, its labels, the width of its convolutions."""

    name: str
    labels: tuple[str, ...]
    channels: tuple[int, ...]
    label: Callable[[str], str]
    """Its label for a finding of `skin_paint.FINDINGS`."""
    after: "Finding | None" = None
    """The network whose convolutions it begins with."""

    def index(self, item: Painted) -> int:
        """Of its label."""
        return self.labels.index(self.label(item.labels["finding"]))

    def train(self, place: Place, budget: Budget) -> None:
        """Write the weights."""
        items = sets(place, "faces", close, "train", budget)
        for part in ("validation", "test"):
            sets(place, "faces", close, part, budget)
        images, labels = [item.pixels() for item in items], [self.index(item) for item in items]
        lesson = Lesson(
            recipe=self.name,
            at_size=lambda _, former: copied(self.begun(place), former),
            draw=partial(drawn, images, [np.flatnonzero(np.equal(labels, k)) for k in range(len(self.labels))]),
            loss=loss,
            stages=STAGES,
            scale=imagenet,
        )
        learn(lesson, place, budget)

    def begun(self, place: Place) -> networks.Network:
        """The network at the start of its training."""
        network = build(self.channels, len(self.labels))
        return network if self.after is None else begin(network, self.after, place)

    def trained(self, place: Place) -> networks.Network:
        """The network with its weights and a fixed input."""
        model = build(self.channels, len(self.labels), SIZE)
        model.load_weights(str(place.weights(self.name)))
        return model

    def serving(self, place: Place) -> Served:
        """Logits and one map a class."""
        model = cam.with_maps(self.trained(place), "top_activation")
        return Served(place.out / f"{self.name}.onnx", SIZE, cam.OUTPUTS, partial(model, training=False))

    def others(self, place: Place) -> None:
        """TorchScript of the same weights, held to the ONNX file on held-out pictures."""
        items = sets(place, "faces", close, "validation")[:64]
        torchscript.write(self.trained(place), place.out / f"{self.name}.pt")
        torchscript.agree(place.out / f"{self.name}.pt", place.out / f"{self.name}.onnx", inputs(items))

    def score(self, place: Place) -> None:
        """Temperature from the validation part, then the figures."""
        temperature = fit_temperature(*self.answers(place, sets(place, "faces", close, "validation")))
        found = self.measured(place, self.name, {"temperature": temperature})
        place.note(self.name, self.name, found, temperature=temperature)

    def measured(self, place: Place, name: str, note: Mapping[str, Any]) -> list[Metric]:
        """The figures of the file in `place.out` on the test part, at the temperature of the note."""
        items = sets(place, "faces", close, "test")
        logits, labels = self.answers(place, items)
        person = np.array([item.person for item in items])
        return figures(self.labels, logits / note["temperature"], labels, person)

    def answers(self, place: Place, items: Sequence[Painted]) -> tuple[Floats, Floats]:
        """Logits [K,C] and labels [K]."""
        (logits,) = served.run(place.out / f"{self.name}.onnx", inputs(items), ("logits",))
        return logits, np.array([self.index(item) for item in items], np.float32)


def drawn(images: Sequence[Pixels], by_label: Sequence[Any], rng: np.random.Generator, stage: Stage) -> Batch:
    """Views of painted faces, every label as often; `by_label` holds the indices of its pictures."""
    labels = np.arange(stage.batch, dtype=np.int32) % len(by_label)
    chosen = [int(rng.choice(by_label[int(label)])) for label in labels]
    views = [augment.random_view(rng, images[index], stage.size, 0.6) for index in chosen]
    return augment.stacked([augment.colour(rng, view, 0.5) for view in views]), labels


def inputs(items: Sequence[Painted]) -> Floats:
    """Pictures as the serving code gives them to the network, [N,S,S,3]."""
    return np.asarray(to_batch([item.pixels() for item in items], SPEC), np.float32)


def loss(logits: Any, labels: Any) -> Any:
    """Cross entropy, softened a little."""
    classes = logits.shape[-1]
    return ops.mean(cross_entropy(0.02 + (1 - 0.02 * classes) * ops.one_hot(labels, classes), logits))


def figures(names: Sequence[str], logits: Floats, labels: Floats, person: Floats) -> list[Metric]:
    """Balanced accuracy (resampled by person), recall of each label, calibration, and for two labels the area under the curve."""
    right = (logits.argmax(axis=1) == labels).astype(np.float32)
    rows, on = (
        [np.flatnonzero(person == one) for one in np.unique(person)],
        f"test part, {len(labels)} painted pictures",
    )

    def balanced(chosen: Any) -> float:
        picked = np.concatenate([rows[int(k)] for k in chosen])
        return float(np.mean([right[picked][labels[picked] == k].mean() for k in np.unique(labels[picked])]))

    def calibration(chosen: Any) -> float:
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        sure = (1 / chance.sum(axis=1)).astype(np.float32)
        picked = np.concatenate([rows[int(k)] for k in chosen])
        return expected_calibration_error(sure[picked], right[picked])

    def area(chosen: Any) -> float:
        picked = np.concatenate([rows[int(k)] for k in chosen])
        return auc((logits[:, 1] - logits[:, 0])[picked], list(labels[picked] > 0))

    kinds = {"balanced accuracy, painted": balanced, "calibration error": calibration}
    kinds |= {"AUC, painted": area} if len(names) == 2 else {}
    everyone = np.arange(len(rows))
    found = []
    for name, how in kinds.items():
        value, (low, high) = how(everyone), bootstrap(len(rows), how)  # resampling only adds to a calibration error
        found.append(Metric(name, value, min(low, value), max(high, value), len(rows), f"{on}, by person"))
    return found + [Metric.mean(f"recall, {name}", right[labels == k], on) for k, name in enumerate(names)]
