"""One network with three heads: skin type, hair type, condition; 14 logits, as ONNX and as TFLite in floats and int8.

There is no picture with these labels under a licence, so all are painted (`training.painted`) on real heads.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from pipeline.models.input_spec import InputSpec
from pipeline.models.tensors import to_batch
from training import augment, networks, refit, tflite
from training.budget import Budget, Stage, Stages
from training.data import Floats, Part, Pixels, pictures
from training.drawing import Batch
from training.entries.entry import IMAGENET
from training.entries.skin_hair import HEADS, groups
from training.evaluate import Metric, fit_temperature
from training.findings import begin, build
from training.fitting import Lesson, imagenet, learn
from training.networks import WHOLE, copied, cross_entropy
from training.painted import Painted, portrait, sets
from training.place import Place
from training.recipes import skin_condition
from training.rounding import rounded
from training.served import Served

SIZE: Final = 224
STAGES: Final[Stages] = {
    "cpu": (Stage(128, 600, 32, 2e-3), Stage(SIZE, 1500, 32, 2e-3)),
    "gpu": (Stage(128, 4000, 128, 3e-3), Stage(SIZE, 2000, 128, 1e-3)),
}
EXAMPLES: Final = 300
"""Pictures that fix the ranges of the integers."""
HELD_OUT: Final[tuple[Part, Part]] = ("validation", "test")
SPEC: Final = InputSpec(name="image", size=(SIZE, SIZE), **IMAGENET)


def form(size: int | None = None) -> networks.Network:
    """[N,S,S,3], ImageNet's mean and deviation, to logits [N,14]: the convolutions of `skin_condition`, bounded for integers.

    The means of all four go into the last layer: hair is told by finer texture than skin.
    """
    base = build(skin_condition.FINDING.channels, 1, size, 6.0)
    every = [layer.output for layer in base.layers if isinstance(layer, layers.ReLU)]
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D(dtype=WHOLE)(one) for one in every])
    logits = layers.Dense(sum(map(len, HEADS.values())), name="heads", dtype=WHOLE)(pooled)
    return keras.Model(base.input, logits)


def drawn(rng: np.random.Generator, images: Sequence[Pixels], labels: Sequence[list[int]], stage: Stage) -> Batch:
    """Views of painted portraits with the three labels' indices [N,3].

    A smaller input sees less of the picture rather than a smaller picture: paint keeps about its size.
    """
    chosen = rng.integers(0, len(images), stage.batch)
    least = min(0.75, (stage.size / SIZE) ** 2)
    views = [augment.random_view(rng, images[index], stage.size, least) for index in chosen]
    return (
        augment.stacked([augment.colour(rng, view, 0.5) for view in views]),
        np.array([labels[index] for index in chosen], np.int32),
    )


def indices(item: Painted) -> list[int]:
    """Of its labels, head by head."""
    return [labels.index(item.labels[head]) for head, labels in HEADS.items()]


def loss(logits: Any, labels: Any) -> Any:
    """Cross entropy of the three heads, each by itself, softened so that logits stay small."""
    total = 0.0
    for number, (head, at) in enumerate(groups().items()):
        wanted = 0.02 + (1 - 0.02 * len(at)) * ops.one_hot(labels[:, number], len(HEADS[head]))
        total = total + ops.mean(cross_entropy(wanted, logits[:, at[0] : at[-1] + 1]))
    return total


def train(place: Place, budget: Budget) -> None:
    """Write `skin_hair.weights.h5`."""
    items = sets(place, "portraits", portrait, "train", budget)
    for part in HELD_OUT:
        sets(place, "portraits", portrait, part, budget)
    images, labels = [item.pixels() for item in items], [indices(item) for item in items]
    lesson = Lesson(
        recipe="skin_hair",
        at_size=lambda _, former: copied(begin(form(), skin_condition.FINDING, place), former),
        draw=lambda rng, stage: drawn(rng, images, labels, stage),
        loss=loss,
        stages=STAGES,
        scale=imagenet,
    )
    learn(lesson, place, budget)
    finish(place)


def finish(place: Place) -> None:
    """Fit the last layer anew on all of the training part, each head by itself."""
    network = form(SIZE)
    network.load_weights(str(place.weights("skin_hair")))
    last = network.get_layer("heads")
    before = keras.Model(network.input, last.input)
    features, labels = {}, {}
    for part in ("train", "validation"):
        items = sets(place, "portraits", portrait, part)
        blocks = [[item.pixels() for item in items[first : first + 50]] for first in range(0, len(items), 50)]
        features[part] = np.concatenate([before(inputs(block), training=False) for block in blocks])
        labels[part] = np.array([indices(item) for item in items])
    fits = [
        refit.best(
            (features["train"], labels["train"][:, number]),
            (features["validation"], labels["validation"][:, number]),
            len(at),
        )
        for number, at in enumerate(groups().values())
    ]
    kernels, biases = zip(*fits, strict=True)
    last.set_weights([np.concatenate(kernels, axis=1), np.concatenate(biases)])
    network.save_weights(str(place.weights("skin_hair")))


def serving(place: Place) -> Served:
    """The trained network with a fixed input, its weights as int8 keeps them: alike in all three files."""
    model = form(SIZE)
    model.load_weights(str(place.weights("skin_hair")))
    exact = rounded(model)
    return Served(
        place.out / "skin_hair.onnx", SIZE, ["logits"], lambda image: {"logits": exact(image, training=False)}
    )


def others(place: Place) -> None:
    """The two TFLite files."""
    examples = sets(place, "portraits", portrait, "train")[:EXAMPLES]
    tflite.to_tflite(serving(place), inputs([item.pixels() for item in examples]))


def inputs(images: Sequence[Pixels]) -> Floats:
    """Pictures as the serving code gives them to the network, [N,S,S,3]."""
    return np.asarray(to_batch(images, SPEC), np.float32)


def score(place: Place) -> None:
    """Temperature from the validation part, then each file's figures."""
    known = sets(place, "portraits", portrait, "validation")
    logits = tflite.answers(place.out / "skin_hair.onnx", inputs([item.pixels() for item in known]), "logits")
    temperature = fit_temperature(*stacked(logits, known))
    for name in files(place):
        place.note("skin_hair", name, measured(place, name, {}), temperature=temperature)


def files(place: Place) -> dict[str, Path]:
    """The three files of the network, by the name of their model."""
    return {"skin_hair": place.out / "skin_hair.onnx", **tflite.files(place.out, "skin_hair")}


def measured(place: Place, name: str, _note: Mapping[str, Any]) -> list[Metric]:
    """A file's accuracy on the test part, how often all three agree there, and what it says of real close-ups."""
    held = sets(place, "portraits", portrait, "test")
    shown = inputs([item.pixels() for item in held])
    logits = {each: tflite.answers(file, shown, "logits") for each, file in files(place).items()}
    return [*accuracies(logits[name], held), *agreement(list(logits.values())), *close_ups(place, files(place)[name])]


def stacked(logits: Floats, items: Sequence[Painted]) -> tuple[Floats, Floats]:
    """All heads' logits below each other, [3N,5], and labels; a head with fewer labels is filled with the impossible."""
    most, labels = max(map(len, HEADS.values())), np.array([indices(item) for item in items], np.float32)
    heads = [np.pad(logits[:, at], ((0, 0), (0, most - len(at))), constant_values=-1e4) for at in groups().values()]
    return np.concatenate(heads), labels.T.ravel()


def accuracies(logits: Floats, items: Sequence[Painted]) -> list[Metric]:
    """Share of right answers of each head, resampled by person."""
    labels, person = np.array([indices(item) for item in items]), np.array([item.person for item in items])
    found = []
    for number, (head, at) in enumerate(groups().items()):
        right = logits[:, at].argmax(axis=1) == labels[:, number]
        each = [float(right[person == one].mean()) for one in np.unique(person)]
        found.append(Metric.mean(f"accuracy, {head}, painted", each, f"test part, {len(items)} pictures, by person"))
    return found


def agreement(logits: Sequence[Floats]) -> list[Metric]:
    """How often all files give the same label, head by head."""
    found = []
    for head, at in groups().items():
        said = np.stack([one[:, at].argmax(axis=1) for one in logits])
        same = (said == said[0]).all(axis=0).astype(np.float32)
        found.append(Metric.mean(f"ONNX, TFLite and int8 say the same {head}", same, "test part, painted, by picture"))
    return found


def close_ups(place: Place, file: Path) -> list[Metric]:
    """The skin type head on real close-ups through a skin scope: other pictures than it was taught."""
    first = {row.row["original"]: row for row in reversed(list(pictures(place.data, "skin_type")))}
    logits = tflite.answers(file, inputs([row.pixels() for row in first.values()]), "logits")
    said = logits[:, groups()["skin_type"]].argmax(axis=1)
    right = [float(HEADS["skin_type"][k] == row.row["label"]) for k, row in zip(said, first.values(), strict=True)]
    return [
        Metric.mean("accuracy, skin_type, real close-ups", right, "all originals of skin_type, four of five labels")
    ]
