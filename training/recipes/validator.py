"""Cat or not, and a weak guess at the breed group, on the distilled body.

Wild felids and drawings of cats count as not a cat. Half of every batch is cats, and the other half is
drawn evenly from kinds of pictures, so that no source stands for a class; some cats and dogs are cut out
and pasted small before other pictures. Beside the labels a public ImageNet network says what it sees in
every view, and the body must repeat that too: a few thousand pictures alone do not teach cats from dogs.
"""

from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from training import augment, networks, served, views
from training.budget import Budget, Stage, Stages
from training.crops import BREEDS
from training.data import (
    WITH_NEGATIVES,
    Floats,
    Part,
    Picture,
    Pixels,
    animal_masks,
    as_pixels,
    decoded,
    everything,
    feline,
    only,
    read_mask,
)
from training.drawing import Batch, Drawing
from training.evaluate import Metric, auc, fit_line, fit_temperature
from training.faces import face_of
from training.fitting import Lesson, learn, log
from training.networks import WHOLE, cross_entropy
from training.place import Place
from training.served import Served

SIZE: Final = 224
LABELS: Final = ("not_cat", "cat")
THRESHOLD: Final = 0.7
"""Fixed in advance, never fitted."""
STAGES: Final[Stages] = {
    "cpu": (Stage(128, 9000, 64, 1e-3), Stage(192, 800, 48, 1.5e-4)),
    "gpu": (Stage(SIZE, 5000, 192, 1e-3),),
}
VIEWS: Final = {"cpu": 32_000, "gpu": 200_000}
"""Views that the teacher is asked about."""
SOFT: Final = 2.0
"""Temperature of the teacher's answers."""
KINDS: Final = {"dog": 0.28, "person": 0.12, "thing": 0.34, "clothes": 0.06, "wild": 0.1, "drawing": 0.1}
"""Share of each kind among the pictures that are not cats."""
PASTED: Final = 0.2
"""Share of cats and dogs that are pasted before another picture, where a mask is known."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with its kind and, rarely, its breed (-1 when unknown)."""

    picture: Picture
    kind: str
    breed: int


@dataclass(frozen=True, slots=True)
class Album:
    """Examples with their pixels, which of them are of which kind, and masks by example."""

    items: list[Example]
    images: list[Pixels]
    of_kind: dict[str, list[int]]
    bred: list[int]
    masks: dict[int, Pixels]


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


def album(place: Place, part: Part) -> Album:
    """The examples of one part, decoded."""
    items = examples(place, part)
    kinds = {item.kind for item in items}
    of_kind = {kind: [k for k, item in enumerate(items) if item.kind == kind] for kind in kinds}
    number = {item.picture.path: k for k, item in enumerate(items)}
    masks = {number[path]: read_mask(mask) for path, mask in animal_masks(place.data, part) if path in number}
    bred = [k for k in of_kind["cat"] if items[k].breed >= 0]
    return Album(items, decoded([item.picture for item in items], 256), of_kind, bred, masks)


def build(weights: Any = None) -> networks.Network:
    """[N,S,S,3] in -1..1 to logits of subject [N,2] and breed [N,B]."""
    body = networks.mobile_body(None, weights)
    pooled = layers.GlobalAveragePooling2D(name="pooled", dtype=WHOLE)(body.output)
    subject = layers.Dense(len(LABELS), dtype=WHOLE)(layers.Dropout(0.2, dtype=WHOLE)(pooled))
    breed = layers.Dense(len(BREEDS), dtype=WHOLE)(layers.Dropout(0.5, dtype=WHOLE)(pooled))
    return keras.Model(body.input, [subject, breed], name="validator")


def with_teacher(place: Place) -> networks.Network:
    """The network, and if there is a teacher its guess at what that says: embedding [N,1280] and logits [N,1001]."""
    own = build(place.body)
    if place.teacher is None:
        return own
    seen = keras.Model(own.input, [*own.outputs, own.get_layer("pooled").output], name="validator")
    image = keras.Input((None, None, 3))
    subject, breed, pooled = seen(image)
    guesses = [layers.Dense(wide, dtype=WHOLE)(pooled) for wide in (1280, 1001)]
    return keras.Model(image, [subject, breed, *guesses])


def loss(outputs: Any, cat: Any, breed: Any, *taught: Any) -> Any:
    """Cross entropy of the subject, slightly smoothed, of the breed where known; what the teacher said if given."""
    subject, guess, *guesses = outputs
    wanted = 0.02 / 2 + 0.98 * ops.one_hot(cat, len(LABELS))
    known = ops.cast(breed >= 0, "float32")
    cross = cross_entropy(ops.one_hot(ops.maximum(breed, 0), len(BREEDS)), guess)
    total = ops.mean(cross_entropy(wanted, subject))
    total += 0.2 * ops.sum(cross * known) / ops.maximum(ops.sum(known), 1.0)
    if taught:
        embedding, logits = (ops.cast(one, "float32") for one in taught)
        total += ops.mean(cross_entropy(ops.softmax(logits / SOFT), guesses[1] / SOFT))
        total += ops.mean(ops.square(guesses[0] - embedding))
    return total


def view(rng: np.random.Generator, pictures: Album, index: int, size: int) -> Pixels:
    """The squashed picture, a part of it, a face that fills the frame, or the animal elsewhere."""
    example, image = pictures.items[index], pictures.images[index]
    if index in pictures.masks and rng.random() < PASTED:
        behind = pictures.of_kind["thing"]
        other = pictures.images[behind[int(rng.integers(len(behind)))]]
        whole = augment.resized_mask(pictures.masks[index], image)
        return augment.colour(rng, augment.pasted(rng, image, whole, other, size), 0.8)
    chance = rng.random()
    if example.picture.dataset == "cat_face_landmarks_pseudo" and chance < 0.35:
        face = face_of(example.picture)
        reduced = image.shape[1] / float(example.picture.row["width"])
        side = face.side * reduced * float(rng.uniform(0.7, 1.6))
        centre = (face.centre[0] * reduced, face.centre[1] * reduced)
        matrix = augment.similarity(centre, size / side, float(rng.normal(0, 12)), (size / 2, size / 2))
        made = augment.warp(image, matrix, size)
        return augment.colour(rng, as_pixels(made[:, ::-1]) if rng.random() < 0.5 else made)
    made = augment.random_view(rng, image, size, 0.9 if chance > 0.7 else 0.3)
    return augment.colour(rng, made)


def drawn(rng: np.random.Generator, pictures: Album, stage: Stage) -> Batch:
    """Balanced views, each with cat (0 or 1) and breed (-1 unknown)."""
    kinds, shares = list(KINDS), np.array(list(KINDS.values()))
    views, cats, breeds = [], [], []
    for number in range(stage.batch):
        kind = "cat" if number % 2 == 0 else str(rng.choice(kinds, p=shares / shares.sum()))
        shown = pictures.of_kind["cat" if kind == "drawing" else kind]
        source = pictures.bred if number % 12 == 0 and pictures.bred else shown
        index = source[int(rng.integers(len(source)))]
        made = view(rng, pictures, index, stage.size)
        views.append(augment.drawing(rng, made) if kind == "drawing" else made)
        cats.append(int(kind == "cat"))
        breeds.append(pictures.items[index].breed if kind == "cat" else -1)
    return augment.stacked(views), np.array(cats, np.int32), np.array(breeds, np.int32)


def train(place: Place, budget: Budget) -> None:
    """Write `validator.weights.h5`."""
    pictures = album(place, "train")
    log.info("%d pictures, %d cats, %d masks", len(pictures.items), len(pictures.of_kind["cat"]), len(pictures.masks))
    shown = None if place.teacher is None else taught(place, pictures, budget)
    lesson = Lesson(
        recipe="validator",
        at_size=lambda _, former: former or with_teacher(place),
        draw=lambda rng, stage: drawn(rng, pictures, stage) if shown is None else views.drawn(rng, shown, stage),
        loss=loss,
        stages=STAGES,
        kept=alone,
    )
    learn(lesson, place, budget)


def taught(place: Place, pictures: Album, budget: Budget) -> views.Views:
    """Views that the teacher has answered."""
    assert place.teacher is not None
    stage = Stage(views.SHOWN, 0, 64, 0.0)
    with Drawing(lambda rng, stage: drawn(rng, pictures, stage), place.seed, budget.processes, stage.bytes) as drawing:
        count = max(2, round(VIEWS[budget.name] * budget.scale) // stage.batch)
        return views.answered(drawing.batches(0, stage), count, place.teacher, budget.processes)


def alone(network: networks.Network) -> networks.Network:
    """The network without its teacher."""
    return network if network.name == "validator" else network.get_layer("validator")


def serving(place: Place) -> Served:
    """The trained network, asked about the picture and its mirror image, calibrated on the validation part."""
    model = build()
    model.load_weights(str(place.weights("validator")))
    scale, offset, doubt = calibration(model, examples(place, "validation"))

    def call(image: Any) -> dict[str, Any]:
        subject, breed = both_ways(model, image)
        margin = (subject[:, 1:] - subject[:, :1]) * scale + offset
        chances = ops.concatenate([ops.sigmoid(-margin), ops.sigmoid(margin)], axis=1)
        return {"subject": chances, "breed": ops.softmax(breed / doubt)}

    return Served(place.out / "cat_validator.onnx", SIZE, ("subject", "breed"), call)


def both_ways(model: networks.Network, image: Any) -> list[Any]:
    """Mean logits of subject [N,2] and breed [N,B] over the pictures and their mirror images."""
    found = model(ops.concatenate([image, ops.flip(image, axis=2)]), training=False)
    return [ops.mean(ops.reshape(logits, (2, -1, logits.shape[-1])), axis=0) for logits in found]


def calibration(model: networks.Network, held: list[Example]) -> tuple[float, float, float]:
    """Scale and offset of the subject's logit, as if half of all pictures were cats, and the breed's temperature."""
    views = augment.unit([augment.squash(item.picture.pixels(), SIZE) for item in held])
    outputs = [both_ways(model, views[k : k + 16]) for k in range(0, len(views), 16)]
    logits, breeds = (np.concatenate([np.asarray(found[k]) for found in outputs]) for k in (0, 1))
    cats = np.array([item.kind == "cat" for item in held], np.float32)
    bred = np.array([item.breed for item in held])
    scale, offset = fit_line(logits[:, 1] - logits[:, 0], cats)
    offset += float(np.log((1 - cats).sum() / cats.sum()))
    return scale, offset, max(1.0, fit_temperature(breeds[bred >= 0], bred[bred >= 0]))


def score(place: Place) -> None:
    """Note the scores at the fixed threshold."""
    file = place.out / "cat_validator.onnx"
    found = metrics(file, examples(place, "test"))
    place.note("validator", "cat_validator", found, thresholds={"subject": THRESHOLD})


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
    found.append(
        Metric.mean("rejected: drawing of a cat", 1 - drawings(file, items), "test part's cats, redrawn by us")
    )
    bred = np.array([item.breed for item in items])
    known = bred >= 0
    found.append(Metric.mean("breed top-1", (breed.argmax(axis=1) == bred)[known], f"test part, {len(BREEDS)} groups"))
    area = auc(chance[cat | (kinds != "cat")], list((kinds == "cat")[cat | (kinds != "cat")]))
    log.info("area under the curve %.4f", area)
    return found


def drawings(file: Any, items: list[Example]) -> Floats:
    """Whether each cat of the part is accepted as a cartoon or pencil rendering: [K], 0 or 1."""
    rng = np.random.default_rng(11)
    views = [
        augment.drawing(rng, augment.squash(item.picture.pixels(), SIZE))
        for item in items
        if item.kind == "cat" and item.picture.group != "maxogden"
    ]
    (subject,) = served.run(file, augment.unit(views), ("subject",))
    return (subject[:, 1] >= THRESHOLD).astype(np.float32)


def answers(file: Any, items: list[Picture]) -> tuple[Floats, Floats]:
    """Chance of a cat [N] and breed chances [N,B] of whole, squashed pictures."""
    chances, breeds = [], []
    for first in range(0, len(items), 64):
        views = [augment.squash(item.pixels(), SIZE) for item in items[first : first + 64]]
        subject, breed = served.run(file, augment.unit(views), ("subject", "breed"))
        chances.append(subject[:, 1])
        breeds.append(breed)
    return np.concatenate(chances), np.concatenate(breeds)
