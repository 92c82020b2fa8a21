"""Is it a close-up of a human eye, and what does it look like as numbers: gate and encoder in one network.

The body learns three things: eyes from everything else, cataract from normal where the label is known (train part), and
what a public ImageNet network sees in eyes. The teacher is what the few labels lack: on its embedding a straight line
tells cataracts better than on that of the body before. Views of eyes are drawn once and shown to the teacher once.
"""

from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import onnx
from keras import layers, ops

from pipeline.errors import TrainingDataMissing
from pipeline.models.settings import PACKS_ROOT
from training import augment, networks, served, teacher
from training.album import kind_of
from training.budget import Budget, Stage, Stages
from training.data import WITH_NEGATIVES, Floats, Part, Picture, Pixels, decoded, everything, only
from training.drawing import Batch
from training.evaluate import Metric, auc, bootstrap, fit_line
from training.eyes import CATARACT, LABELS, OTHER_EYES, Eyes, eyes, middle, rings, view
from training.fitting import Lesson, learn, log
from training.grouped import accuracy, grouped
from training.networks import WHOLE, cross_entropy
from training.place import Place
from training.served import Served

SIZE: Final = 160
VIEW: Final = 224
"""Side of the views that the teacher sees."""
SUBJECTS: Final = ("not_eye", "eye")
EMBEDDING: Final = 1280
"""Numbers of the teacher's embedding."""
THRESHOLD: Final = 0.5
"""Fixed in advance, never fitted."""
FILE: Final = "eye_encoder.onnx"
STAGES: Final[Stages] = {"cpu": (Stage(144, 900, 32, 1e-3),), "gpu": (Stage(VIEW, 3000, 192, 1e-3),)}
TIMES: Final = 4
"""Views of each eye."""
KINDS: Final = {"person": 0.28, "thing": 0.27, "cat": 0.12, "dog": 0.08, "skin": 0.1, "ring": 0.15}
"""Share of each kind among the pictures that are no eye."""
FACES: Final = 0.5
"""Smallest share of a face's picture in a view: a smaller part of one may be a close-up of its eye."""


@dataclass(frozen=True, slots=True)
class Album:
    """Views of eyes with label (-1 unknown) and the teacher's standardised embedding, and pictures of no eye by kind."""

    views: list[Pixels]
    labels: Floats
    taught: Floats
    of_kind: dict[str, list[Pixels]]


def kind(picture: Picture) -> str:
    """person, thing, cat, dog or skin."""
    if picture.dataset == "skin_type":
        return "skin"
    found = kind_of(picture)
    return found if found in KINDS else "thing"


def no_eyes(place: Place, part: Part) -> list[Picture]:
    """Pictures without a close-up of a human eye."""
    return only(everything(place.data, (*WITH_NEGATIVES, "cat_face_landmarks_pseudo", "skin_type")), part)


def album(place: Place, part: Part) -> Album:
    """The pictures of one part, decoded; the eyes as seeded views."""
    items = no_eyes(place, part)
    of_kind: dict[str, list[Pixels]] = {}
    for item, image in zip(items, decoded(items, 200), strict=True):
        of_kind.setdefault(kind(item), []).append(image)
    known = eyes(place.data, part)
    others = decoded(only(everything(place.data, [OTHER_EYES]), part), 256)
    rng = np.random.default_rng(place.seed)
    views = [view(rng, image, VIEW) for _ in range(TIMES) for image in (*known.images, *others)]
    labels = np.tile(np.concatenate([known.cataract, np.full(len(others), -1)]), TIMES)
    return Album(views, labels.astype(np.float32), taught(place, views), of_kind)


def taught(place: Place, views: list[Pixels]) -> Floats:
    """What the teacher sees in each view, [V,1280], every number with mean 0 and deviation 1."""
    if place.teacher is None:
        message = "the eyes recipe needs --teacher"
        raise ValueError(message)
    network, found = served.session(place.teacher / teacher.FILE, 1), []
    for one in views:
        image = np.ascontiguousarray(augment.unit([one]).transpose(0, 3, 1, 2))
        found.append(network.run(["embedding"], {network.get_inputs()[0].name: image})[0].ravel())
    seen = np.stack(found)
    return np.asarray((seen - seen.mean(axis=0)) / (seen.std(axis=0) + 1e-3), np.float32)


def build(weights: Any = None) -> networks.Network:
    """[N,S,S,3] in -1..1 to logits of subject [N,2] and cataract [N,2], and the embedding [N,576]."""
    body = networks.mobile_body(None, weights)
    pooled = layers.GlobalAveragePooling2D(name="pooled", dtype=WHOLE)(body.output)
    subject = layers.Dense(len(SUBJECTS), dtype=WHOLE, name="subject")(layers.Dropout(0.2, dtype=WHOLE)(pooled))
    cataract = layers.Dense(len(LABELS), dtype=WHOLE, name="cataract")(layers.Dropout(0.4, dtype=WHOLE)(pooled))
    return keras.Model(body.input, [subject, cataract, pooled], name="eyes")


def with_guess(own: networks.Network) -> networks.Network:
    """The network with its guess at the teacher's embedding."""
    image = keras.Input((None, None, 3))
    subject, cataract, pooled = own(image)
    return keras.Model(image, [subject, cataract, layers.Dense(EMBEDDING, dtype=WHOLE)(pooled)])


def loss(outputs: Any, eye: Any, cataract: Any, wanted: Any) -> Any:
    """Cross entropy of the subject and, where known (not -1), of cataract; squared error of the embedding of eyes."""
    subject, guess, embedding = outputs
    known = ops.cast(cataract >= 0, "float32")
    smooth = 0.05 / 2 + 0.95 * ops.one_hot(ops.maximum(cataract, 0), len(LABELS))
    total = ops.mean(cross_entropy(0.01 + 0.98 * ops.one_hot(eye, len(SUBJECTS)), subject))
    total += ops.sum(cross_entropy(smooth, guess) * known) / ops.maximum(ops.sum(known), 1.0)
    seen = ops.cast(eye == 1, "float32")
    error = ops.mean(ops.square(embedding - ops.cast(wanted, "float32")), axis=1)
    return total + 2 * ops.sum(error * seen) / ops.maximum(ops.sum(seen), 1.0)


def drawn(rng: np.random.Generator, pictures: Album, stage: Stage) -> Batch:
    """Three quarters eyes, most of them with a label, as many of each; the rest anything else, by kind."""
    kinds, shares = list(KINDS), np.array(list(KINDS.values()))
    by_label = {label: np.flatnonzero(pictures.labels == label) for label in (-1, 0, 1)}
    shown, eye, labels = [], [], []
    wanted = np.zeros((stage.batch, EMBEDDING), np.float16)
    for number in range(stage.batch):
        label = (0, 1, 0, 1, 0, 1, -1)[number % 7]
        if number % 4 == 3:
            shown.append(without_eye(rng, pictures, str(rng.choice(kinds, p=shares)), stage.size))
            eye.append(0)
            labels.append(-1)
            continue
        index = int(rng.choice(by_label[label]))
        shown.append(augment.random_view(rng, pictures.views[index], stage.size, 0.85))
        wanted[number] = pictures.taught[index]
        eye.append(1)
        labels.append(label)
    return augment.stacked(shown), np.array(eye, np.int32), np.array(labels, np.int32), wanted


def without_eye(rng: np.random.Generator, pictures: Album, name: str, size: int) -> Pixels:
    """A view of something else."""
    shown = pictures.of_kind["thing" if name == "ring" else name]
    image = shown[int(rng.integers(len(shown)))]
    if name == "ring":
        return augment.colour(rng, rings(rng, image, size))
    return augment.colour(rng, augment.random_view(rng, image, size, FACES if name == "person" else 0.3))


def train(place: Place, budget: Budget) -> None:
    """Write `eyes.weights.h5`."""
    pictures = album(place, "train")
    log.info("%d views of eyes, no eyes: %s", len(pictures.views), {k: len(v) for k, v in pictures.of_kind.items()})
    lesson = Lesson(
        recipe="eyes",
        at_size=lambda _, former: former or with_guess(build(place.body)),
        draw=lambda rng, stage: drawn(rng, pictures, stage),
        loss=loss,
        stages=STAGES,
        kept=alone,
    )
    learn(lesson, place, budget)


def alone(network: networks.Network) -> networks.Network:
    """The network without its guess."""
    return network if network.name == "eyes" else network.get_layer("eyes")


def serving(place: Place) -> Served:
    """Calibrated chance of an eye, as if half of all pictures were eyes, and the embedding."""
    model = build()
    model.load_weights(str(place.weights("eyes")))
    pictures, eye = gate_pictures(place, "validation")
    views = augment.unit([augment.squash(image, SIZE) for image in pictures])
    logits = np.concatenate([np.asarray(model(views[k : k + 16], training=False)[0]) for k in range(0, len(views), 16)])
    scale, offset = fit_line(logits[:, 1] - logits[:, 0], eye)
    offset += float(np.log((1 - eye).sum() / eye.sum()))

    def call(image: Any) -> dict[str, Any]:
        subject, _, embedding = model(image, training=False)
        margin = (subject[:, 1:] - subject[:, :1]) * scale + offset
        return {"subject": ops.concatenate([ops.sigmoid(-margin), ops.sigmoid(margin)], axis=1), "embedding": embedding}

    return Served(place.out / FILE, SIZE, ("subject", "embedding"), call)


def gate_pictures(place: Place, part: Part) -> tuple[list[Pixels], Floats]:
    """Whole pictures of one part, eyes first, and whether each is an eye."""
    shown = [*eye_items(place, part), *no_eyes(place, part)]
    return decoded(shown, 256), np.array([item.dataset in (CATARACT, OTHER_EYES) for item in shown], np.float32)


def eye_items(place: Place, part: Part) -> list[Picture]:
    """The eyes of both sets."""
    return only(everything(place.data, (CATARACT, OTHER_EYES)), part)


def embeddings(file: Any, images: list[Pixels]) -> Floats:
    """[N,576] of whole pictures, as they are served."""
    return served.answers(file, images, SIZE, ("embedding",))[0]


def ready(place: Place) -> dict[str, str]:
    """See that the encoder is in the folder: this recipe's, if it ran before, else the starter pack's. Says which.

    Raises TrainingDataMissing when this recipe ran, but was not exported: another encoder's numbers would not fit.
    """
    file = place.out / FILE
    if place.weights("eyes").exists():
        if not file.exists():
            raise TrainingDataMissing(f"{FILE}: the recipe eyes was trained, but not exported")
        return {"of": "the recipe eyes", "sha256": served.sha256(file)}
    shipped = PACKS_ROOT / "starter" / "eyes.onnx"
    if not file.exists():
        found = onnx.utils.Extractor(onnx.load(str(shipped))).extract_model(["image"], ["subject", "embedding"])
        onnx.save(found, str(file))
    return {"of": "the starter pack's eyes.onnx", "sha256": served.sha256(shipped)}


def rows(place: Place, part: Part) -> tuple[Floats, Floats]:
    """Embeddings and labels of a part: as it is; of the train part also its middle, and a random view. Kept in a file."""
    kept = place.out / f"eyes_{part}.npz"
    if not kept.exists() or kept.stat().st_mtime < (place.out / FILE).stat().st_mtime:
        known, rng = eyes(place.data, part), np.random.default_rng(place.seed)
        shown = list(known.images)
        if part == "train":
            shown += [middle(image) for image in known.images] + [view(rng, image, SIZE) for image in known.images]
        labels = np.tile(known.cataract, len(shown) // len(known.images))
        np.savez(kept, rows=embeddings(place.out / FILE, shown), labels=labels)
    with np.load(kept) as found:
        return found["rows"], found["labels"]


def score(place: Place) -> None:
    """Note how well the gate tells eyes from the rest, by kind; of the encoder what its neighbours have in common."""
    file, items = place.out / FILE, [*eye_items(place, "test"), *no_eyes(place, "test")]
    images = decoded(items, 256)
    rng = np.random.default_rng(11)
    things = [image for item, image in zip(items, images, strict=True) if kind(item) == "thing"][:100]
    names = [item.dataset if item.dataset in (CATARACT, OTHER_EYES) else kind(item) for item in items]
    names += ["ring"] * len(things)
    images += [rings(rng, image, SIZE) for image in things]
    chances = served.answers(file, images, SIZE, ("subject",))[0][:, 1]
    place.note("eyes", "eye_gate", gate_metrics(chances, np.array(names)), thresholds={"subject": THRESHOLD})
    place.note("eyes", "eye_encoder", neighbours(file, eyes(place.data, "train"), eyes(place.data, "test")))


def gate_metrics(chances: Floats, names: Any) -> list[Metric]:
    """Balanced accuracy at the fixed threshold, area, and its parts."""
    eye = np.isin(names, (CATARACT, OTHER_EYES))
    accepted = (chances >= THRESHOLD).astype(np.float32)
    right = np.where(eye, accepted, 1 - accepted)
    weight = np.where(eye, 0.5 / eye.mean(), 0.5 / (1 - eye.mean()))
    found = [Metric.mean(f"balanced accuracy at {THRESHOLD}", right * weight, "test part")]
    low, high = bootstrap(len(eye), lambda chosen: auc(chances[chosen], list(eye[chosen])))
    found.append(Metric("AUROC", auc(chances, list(eye)), low, high, len(eye), "test part"))
    found += [
        Metric.mean(f"eyes accepted: {name}", accepted[names == name], "test part") for name in (CATARACT, OTHER_EYES)
    ]
    return found + [Metric.mean(f"rejected: {name}", 1 - accepted[names == name], "test part") for name in KINDS]


def neighbours(file: Any, known: Eyes, asked: Eyes) -> list[Metric]:
    """How often the nearest eye of the train part has the same label, by the cosine of the embeddings."""
    here, there = (embeddings(file, one.images) for one in (known, asked))
    here, there = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (here, there))
    right = known.cataract[(there @ here.T).argmax(axis=1)] == asked.cataract
    return [grouped("nearest eye has the same label", asked.groups, accuracy(right), "test part")]
