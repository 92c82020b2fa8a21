"""Cat or not, and a weak guess at the breed group, on the distilled body.

Wild felids and drawings of cats count as not a cat. Half of every batch is cats, and the other
half is drawn evenly from kinds of pictures, so that no source stands for a class. Labels alone come
first; then a public ImageNet network says what it sees in every view, and the body must repeat that
too: a few thousand pictures alone do not teach cats from dogs.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from training import augment, export, networks, teacher
from training.crops import BREEDS
from training.data import WITH_NEGATIVES, Floats, Part, Picture, Pixels, everything, feline, only
from training.evaluate import Metric, auc, fit_line, fit_temperature
from training.faces import face_of
from training.fitting import Batch, Budget, fit, log
from training.place import Place

SIZE: Final = 224
LABELS: Final = ("not_cat", "cat")
THRESHOLD: Final = 0.7
"""Fixed in advance, never fitted."""
PLAIN: Final = ((128, 650, 48, 1e-3), (224, 210, 32, 3e-4))
TAUGHT: Final = (112, 1500, 32, 8e-4)
LAST: Final = (224, 100, 32, 1.5e-4)
"""(input size, steps, batch, peak rate): labels alone, then stored views with the teacher, then full size"""
VIEW_SIZE: Final = 160
VIEWS: Final = 6000
SOFT: Final = 2.0
"""Temperature of the teacher's answers."""
KINDS: Final = {"dog": 0.28, "person": 0.12, "thing": 0.34, "clothes": 0.06, "wild": 0.1, "drawing": 0.1}
"""Share of each kind among the pictures that are not cats."""


View: TypeAlias = tuple[Pixels, int, int]
"""Pixels, cat (0 or 1), breed (-1 unknown)."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with its kind and, rarely, its breed (-1 when unknown)."""

    picture: Picture
    kind: str
    breed: int


def kind_of(picture: Picture) -> str:
    """cat, wild, dog, person, clothes or thing."""
    row = picture.row
    if row.get("is_wild_felid") == "1":
        return "wild"
    if feline(picture) or picture.dataset in {"cat_face_landmarks_pseudo", "cats_maxogden_bsd"}:
        return "cat"
    if row.get("label") == "dog":
        return "dog"
    if picture.dataset == "people_ccp" or row.get("category", "").startswith("Faces"):
        return "person"
    return "clothes" if picture.dataset == "noncat_clothing_cc0" else "thing"


def breed_of(picture: Picture) -> int:
    """Index into `BREEDS`, or -1."""
    name = picture.row.get("breed", "").lower().replace(" ", "_")
    return BREEDS.index(name) if name in BREEDS else -1


def examples(place: Place, part: Part) -> list[Example]:
    """All pictures of one part, cats and others."""
    sets = ("cat_face_landmarks_pseudo", "cats_maxogden_bsd", *WITH_NEGATIVES)
    return [Example(item, kind_of(item), breed_of(item)) for item in only(everything(place.data, sets), part)]


def build(size: int = SIZE, place: Place | None = None) -> networks.Network:
    """[N,S,S,3] in -1..1 to logits of subject [N,2] and breed [N,B]."""
    body = networks.mobile_body(size, place.body if place else None)
    pooled = layers.GlobalAveragePooling2D(name="pooled")(body.output)
    subject = layers.Dense(len(LABELS))(layers.Dropout(0.2)(pooled))
    breed = layers.Dense(len(BREEDS))(layers.Dropout(0.5)(pooled))
    return keras.Model(body.input, [subject, breed])


def with_pupil(model: networks.Network) -> networks.Network:
    """The same network with a third output for the teacher's 1,001 logits; shares its weights."""
    seen = layers.Dense(1001)(model.get_layer("pooled").output)
    return keras.Model(model.input, [*model.outputs, seen])


def resized(model: networks.Network, size: int) -> networks.Network:
    """The same weights for another input size."""
    other = build(size)
    other.set_weights(model.get_weights())
    return other


def loss(outputs: Any, cat: Any, breed: Any, *taught: Any) -> Any:
    """Cross entropy of the subject, slightly smoothed, of the breed where known, of the teacher's answer if given."""
    subject, guess = outputs[:2]
    wanted = 0.02 / 2 + 0.98 * tf.one_hot(cat, len(LABELS))
    known = tf.cast(breed >= 0, tf.float32)
    cross = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(breed, 0), guess)
    total = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, subject))
    total += 0.2 * tf.reduce_sum(cross * known) / tf.maximum(tf.reduce_sum(known), 1.0)
    for logits in taught:
        soft = tf.nn.softmax(tf.cast(logits, tf.float32) / SOFT)
        total += 2 * tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(soft, outputs[2] / SOFT))
    return total


def view(rng: np.random.Generator, example: Example, image: Pixels, size: int) -> Pixels:
    """The squashed picture, a part of it, or a face that fills the frame."""
    chance = rng.random()
    if example.picture.dataset == "cat_face_landmarks_pseudo" and chance < 0.35:
        face = face_of(example.picture)
        reduced = image.shape[1] / float(example.picture.row["width"])
        side = face.side * reduced * float(rng.uniform(0.7, 1.6))
        centre = (face.centre[0] * reduced, face.centre[1] * reduced)
        matrix = augment.similarity(centre, size / side, float(rng.normal(0, 12)), (size / 2, size / 2))
        made = augment.warp(image, matrix, size)
        return augment.colour(rng, made[:, ::-1] if rng.random() < 0.5 else made)
    made = augment.random_view(rng, image, size, 0.9 if chance > 0.7 else 0.3)
    return augment.colour(rng, made)


def drawn(rng: np.random.Generator, items: list[Example], images: list[Pixels], size: int) -> Iterator[View]:
    """Balanced views without end, each with cat (0 or 1) and breed (-1 unknown)."""
    of_kind = {kind: [k for k, item in enumerate(items) if item.kind == kind] for kind in {item.kind for item in items}}
    bred = [k for k in of_kind["cat"] if items[k].breed >= 0]
    kinds, shares = list(KINDS), np.array(list(KINDS.values()))
    for number in itertools.count():
        kind = "cat" if number % 2 == 0 else str(rng.choice(kinds, p=shares / shares.sum()))
        source = bred if number % 12 == 0 else of_kind["cat" if kind == "drawing" else kind]
        index = source[int(rng.integers(len(source)))]
        made = view(rng, items[index], images[index], size)
        made = augment.drawing(rng, made) if kind == "drawing" else made
        yield made, int(kind == "cat"), items[index].breed if kind == "cat" else -1


def fresh(views: Iterator[View], batch: int) -> Iterator[Batch]:
    """Batches of new views in -1..1."""
    while True:
        made = list(itertools.islice(views, batch))
        cats, breeds = np.array([one[1] for one in made], np.int32), np.array([one[2] for one in made], np.int32)
        yield augment.unit([one[0] for one in made]), cats, breeds


def stored(rng: np.random.Generator, views: list[View], taught: Floats, size: int, batch: int) -> Iterator[Batch]:
    """Shuffled stored views in -1..1, mirrored half the time, with the teacher's logits."""
    while True:
        order = rng.permutation(len(views))
        for first in range(0, len(order) - batch + 1, batch):
            chosen = order[first : first + batch]
            block = np.stack([augment.squash(views[k][0], size)[:, :: int(rng.choice([-1, 1]))] for k in chosen])
            cats = np.array([views[k][1] for k in chosen], np.int32)
            breeds = np.array([views[k][2] for k in chosen], np.int32)
            yield augment.unit(block), cats, breeds, taught[chosen]


def train(place: Place, budget: Budget) -> None:
    """Labels alone (or `validator.weights.h5` if there), then with the teacher, then full size; export, score."""
    rng = np.random.default_rng(place.seed)
    items = examples(place, "train")
    images = [item.picture.pixels(200) for item in items]
    log.info("%d pictures, %d cats", len(items), sum(item.kind == "cat" for item in items))
    start = place.out / "validator.weights.h5"
    model = build(SIZE, place)
    if start.exists():
        model.load_weights(str(start))
    else:
        for size, steps, batch, rate in PLAIN:
            model = resized(model, size)
            fit(model, fresh(drawn(rng, items, images, size), batch), loss, budget.steps(steps), rate)
    if place.teacher is not None:
        size, steps, batch, rate = TAUGHT
        views = list(itertools.islice(drawn(rng, items, images, VIEW_SIZE), budget.steps(VIEWS)))
        taught = teacher.ask(place.teacher, np.stack([one[0] for one in views]), "logits", budget.threads)
        log.info("%d views shown to the teacher", len(views))
        model = resized(model, size)
        fit(with_pupil(model), stored(rng, views, taught, size, batch), loss, budget.steps(steps), rate)
        size, steps, batch, rate = LAST
        model = resized(model, size)
        fit(model, fresh(drawn(rng, items, images, size), batch), loss, budget.steps(steps), rate)
    model.save_weights(str(start))
    finish(model, place)


def again(place: Place) -> None:
    """Export and score the weights that are there."""
    model = build()
    model.load_weights(str(place.out / "validator.weights.h5"))
    finish(model, place)


def finish(model: networks.Network, place: Place) -> None:
    """Calibrate on the validation part, export, score at the fixed threshold."""
    held = examples(place, "validation")
    views = augment.unit([augment.squash(item.picture.pixels(), SIZE) for item in held])
    outputs = [model(views[k : k + 32], training=False) for k in range(0, len(views), 32)]
    logits, breeds = (np.concatenate([np.asarray(found[k]) for found in outputs]) for k in (0, 1))
    cats = np.array([item.kind == "cat" for item in held], np.float32)
    scale, offset = fit_line(logits[:, 1] - logits[:, 0], cats)
    bred = np.array([item.breed for item in held])
    doubt = max(1.0, fit_temperature(breeds[bred >= 0], bred[bred >= 0]))
    file = place.out / "cat_validator.onnx"

    def serve(image: Any) -> dict[str, Any]:
        subject, breed = model(image, training=False)
        margin = (subject[:, 1:] - subject[:, :1]) * scale + offset
        chances = ops.concatenate([ops.sigmoid(-margin), ops.sigmoid(margin)], axis=1)
        return {"subject": chances, "breed": ops.softmax(breed / doubt)}

    export.to_onnx(serve, SIZE, file, ("subject", "breed"))
    place.note("cat_validator", metrics(file, examples(place, "test")), thresholds={"subject": THRESHOLD})


def metrics(file: Any, items: list[Example]) -> list[Metric]:
    """Balanced accuracy, its parts by kind, and the breed's top-1."""
    chance, breed = answers(file, [item.picture for item in items])
    kinds = np.array([item.kind for item in items])
    own = np.array([item.picture.group == "maxogden" for item in items])
    accepted = (chance >= THRESHOLD).astype(np.float32)
    cat = (kinds == "cat") & ~own
    weight = np.where(kinds == "cat", 0.5 / cat.mean(), 0.5 / (kinds != "cat").mean())[~(own & (kinds == "cat"))]
    right = np.where(kinds == "cat", accepted, 1 - accepted)[~(own & (kinds == "cat"))]
    found = [
        Metric.mean("balanced accuracy at 0.7", right * weight / weight.mean(), "test part"),
        Metric.mean("cats accepted", accepted[cat], "test part"),
        Metric.mean("others rejected", 1 - accepted[kinds != "cat"], "test part"),
        Metric.mean("cats accepted, source never seen", accepted[own & (kinds == "cat")], "maxogden, one home's cats"),
    ]
    found += [
        Metric.mean(f"rejected: {kind}", 1 - accepted[kinds == kind], "test part")
        for kind in ("dog", "person", "thing", "clothes", "wild")
    ]
    bred = np.array([item.breed for item in items])
    known = bred >= 0
    found.append(Metric.mean("breed top-1", (breed.argmax(axis=1) == bred)[known], f"test part, {len(BREEDS)} groups"))
    area = auc(chance[cat | (kinds != "cat")], list((kinds == "cat")[cat | (kinds != "cat")]))
    log.info("area under the curve %.4f", area)
    return found


def answers(file: Any, items: list[Picture]) -> tuple[Floats, Floats]:
    """Chance of a cat [N] and breed chances [N,B] of whole, squashed pictures."""
    chances, breeds = [], []
    for first in range(0, len(items), 64):
        views = [augment.squash(item.pixels(), SIZE) for item in items[first : first + 64]]
        subject, breed = export.run(file, augment.unit(views), ("subject", "breed"))
        chances.append(subject[:, 1])
        breeds.append(breed)
    return np.concatenate(chances), np.concatenate(breeds)
