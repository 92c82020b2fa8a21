"""Five area classifiers on one body, each with its class-activation map from the same pass.

What they look at stands in `training.area_crops`, the crop rule in `training.crops`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from training import augment, heads, networks, served
from training.area_crops import Material, material
from training.budget import Budget, Stage, Stages
from training.crops import AREA_LABELS, AREAS, KIND, area_crop
from training.data import Floats, pictures
from training.drawing import Batch
from training.evaluate import Metric, auc, bootstrap, expected_calibration_error, fit_temperature
from training.fitting import Lesson, learn
from training.networks import WHOLE, cross_entropy
from training.place import Place
from training.served import Call, Served

SIZE: Final = 224
SMALL: Final = "mobilenet_v3_small"
FORMS: Final = (SMALL, "efficientnet_b1")
"""Bodies to choose from with `--form`. EfficientNetB1 is meant for a card, and none is shipped."""
OUTPUTS: Final = tuple(f"{area}_{what}" for area in AREAS for what in ("logits", "cam"))
STAGES: Final[Stages] = {
    "cpu": (Stage(192, 1200, 32, 8e-4),),
    "gpu": (Stage(SIZE, 5000, 160, 1e-3),),
}
LARGE_STAGES: Final[Stages] = {
    "cpu": (Stage(SIZE, 1200, 16, 8e-4),),
    "gpu": (Stage(SIZE, 5000, 96, 1e-3),),
}
"""Of EfficientNetB1."""


def drawn(rng: np.random.Generator, shown: Material, stage: Stage) -> Batch:
    """Crops with area index and label; both labels of every area equally often."""
    crops, areas, labels = [], [], []
    for number in range(stage.batch):
        area, abnormal = number % len(AREAS), bool(rng.random() < 0.5)
        crops.append(shown.crop(rng, AREAS[area], abnormal, stage.size))
        areas.append(area)
        labels.append(int(abnormal))
    return augment.stacked(crops), np.array(areas, np.int32), np.array(labels, np.int32)


def build(weights: Path | None = None, form: str = SMALL) -> networks.Network:
    """[N,S,S,3] in -1..1 to feature map [N,S/32,S/32,576 or 1280] and logits [N,5,2]."""
    body = networks.mobile_body(None, weights) if form == SMALL else networks.efficient_body()
    pooled = layers.GlobalAveragePooling2D(dtype=WHOLE)(body.output)
    dropped = layers.Dropout(0.2, dtype=WHOLE)(pooled)
    flat = layers.Dense(len(AREAS) * len(AREA_LABELS), name="heads", dtype=WHOLE)(dropped)
    logits = layers.Reshape((len(AREAS), len(AREA_LABELS)), dtype=WHOLE)(flat)
    return keras.Model(body.input, [body.output, logits])


def loss(outputs: Any, area: Any, label: Any) -> Any:
    """Cross entropy of the crop's own head."""
    own = ops.einsum("nac,na->nc", outputs[1], ops.one_hot(area, len(AREAS)))
    wanted = 0.02 + 0.96 * ops.one_hot(label, len(AREA_LABELS))
    return ops.mean(cross_entropy(wanted, own))


def train(place: Place, budget: Budget) -> None:
    """Write `areas.weights.h5`."""
    seen, held, form = material(place, "train"), material(place, "validation"), place.form or SMALL
    lesson = Lesson(
        recipe="areas",
        at_size=lambda _, former: former or build(place.body, form),
        draw=lambda rng, stage: drawn(rng, seen, stage),
        loss=loss,
        stages=STAGES if form == SMALL else LARGE_STAGES,
        validation=lambda rng, stage: drawn(rng, held, stage),
    )
    learn(lesson, place, budget)


def serving(place: Place) -> Served:
    """Logits and maps of all five heads of the trained network."""
    model = build(form=place.form or SMALL)
    model.load_weights(str(place.weights("areas")))
    return Served(place.out / "cat_areas.onnx", SIZE, OUTPUTS, with_maps(model))


def with_maps(model: networks.Network) -> Call:
    """Logits and maps of a network: its last feature map under the weights that tell abnormal from normal."""
    weights = model.get_layer("heads").get_weights()[0].reshape(-1, len(AREAS), len(AREA_LABELS))
    contrast = weights[:, :, 1] - weights[:, :, 0]

    def call(image: Any) -> dict[str, Any]:
        features, logits = model(image, training=False)
        maps = ops.einsum("nhwc,ca->nhwa", features, ops.convert_to_tensor(contrast))
        named = {f"{area}_logits": logits[:, number] for number, area in enumerate(AREAS)}
        return named | {f"{area}_cam": maps[..., number] for number, area in enumerate(AREAS)}

    return call


def score(place: Place) -> None:
    """Fit each area's temperature on the validation part, note its scores on the test part."""
    file, held, test = place.out / "cat_areas.onnx", material(place, "validation"), material(place, "test")
    for area in AREAS:
        temperature = fit_temperature(*answers(file, held, area))
        place.note("areas", f"cat_{area}", judged(file, place, test, area, temperature), temperature=temperature)


def measured(place: Place, name: str, note: Mapping[str, Any]) -> list[Metric]:
    """The figures of the file in `place.out`, at the temperature of the note."""
    test = material(place, "test")
    return judged(place.out / "cat_areas.onnx", place, test, name.removeprefix("cat_"), note["temperature"])


def judged(file: Path, place: Place, test: Material, area: str, temperature: float) -> list[Metric]:
    """The figures of one area on the test part."""
    logits, labels = answers(file, test, area)
    if test.per == 1:
        return own_metrics(logits, labels, test.on)
    return metrics(logits, labels, temperature) + (real_eyes(file, place, area) if KIND[area] == "eye" else [])


def answers(file: Path, shown: Material, area: str) -> tuple[Floats, Floats]:
    """Logits [K,2] and labels [K] of the crops to score on."""
    crops, labels = shown.exam(area, SIZE)
    (logits,) = served.run(file, augment.unit(crops), (f"{area}_logits",))
    return logits, np.array(labels, np.float32)


def own_metrics(logits: Floats, labels: Floats, on: str) -> list[Metric]:
    """Shares of a user's crops that are called what they are, by crop."""
    right = ((logits[:, 1] > logits[:, 0]) == (labels > 0)).astype(np.float32)
    by_label = [Metric.mean(f"{name} called {name}", right[labels == k], on) for k, name in enumerate(AREA_LABELS)]
    return [Metric.mean("accuracy", right, on), *by_label]


def metrics(logits: Floats, labels: Floats, temperature: float) -> list[Metric]:
    """Accuracy, area under the curve and calibration error; resampled by face."""
    margin = (logits[:, 1] - logits[:, 0]) / temperature
    right = ((margin > 0) == (labels > 0)).astype(np.float32).reshape(-1, 4).mean(axis=1)
    groups = np.arange(len(labels)).reshape(-1, 4)

    def area_under(chosen: Floats) -> float:
        rows = groups[chosen.astype(int)].ravel()
        return auc(margin[rows], list(labels[rows] > 0))

    def calibration(chosen: Floats) -> float:
        rows = groups[chosen.astype(int)].ravel()
        chance = (1 / (1 + np.exp(-np.abs(margin[rows])))).astype(np.float32)
        return expected_calibration_error(chance, ((margin[rows] > 0) == (labels[rows] > 0)).astype(np.float32))

    everyone, on = np.arange(len(groups)).astype(np.float32), "test part, painted lesions, by face"
    return [
        Metric.mean("accuracy, painted", right, on),
        Metric("AUC, painted", area_under(everyone), *bootstrap(len(groups), area_under), len(groups), on),
        Metric("calibration error", calibration(everyone), *bootstrap(len(groups), calibration), len(groups), on),
    ]


def real_eyes(file: Path, place: Place, area: str) -> list[Metric]:
    """Healthy against infected real pictures in which our own networks find a face; a known shortcut."""
    detector, landmarks = place.out / "cat_face_detector.onnx", place.out / "cat_landmarks.onnx"
    if not (detector.exists() and landmarks.exists()):
        return []
    rows = list(pictures(place.data, "cat_eye_conjunctivitis"))
    images = [row.pixels() for row in rows]
    found = heads.detect(detector, images, 0.4)
    held = [index for index, boxes in enumerate(found) if boxes]
    points, _ = heads.place(landmarks, [images[k] for k in held], [found[k][0].box for k in held])
    crops = [area_crop(images[k], where, area, SIZE) for k, where in zip(held, points, strict=True)]
    (logits,) = served.run(file, augment.unit(crops), (f"{area}_logits",))
    margin = logits[:, 1] - logits[:, 0]
    sick = np.array([rows[k].row["label"] != "healthy" for k in held])

    def area_under(chosen: Floats) -> float:
        picked = chosen.astype(int)
        return auc(margin[picked], list(sick[picked]))

    on = f"{int(sick.sum())} infected, {int((~sick).sum())} healthy whole faces; framing differs: a shortcut"
    everyone = np.arange(len(held)).astype(np.float32)
    return [
        Metric("AUC, real pictures", area_under(everyone), *bootstrap(len(held), area_under), len(held), on),
        Metric.mean("healthy real eyes called abnormal", (margin[~sick] > 0).astype(np.float32), "healthy pictures"),
    ]
