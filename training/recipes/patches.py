"""What each place of a picture looks like as numbers: the features that PatchCore remembers.

The lower half of our distilled body, with a light head, learns to say at every place what a public ImageNet network says
there in the middle of its layers (stride 16). No label is used; tiles and thermograms are among what it sees, normal
ones of the train part only, a third of the tiles with painted scratches, so that it has seen that marks matter.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import keras
import numpy as np
import onnx
from keras import layers, ops

from training import augment, networks, served, teacher
from training.budget import Budget, Stage, Stages
from training.data import WITH_NEGATIVES, Floats, Picture, Pixels, as_pixels, decoded, everything, only
from training.drawing import Batch
from training.fitting import Lesson, learn, log
from training.networks import WHOLE
from training.place import Place
from training.served import Served

SIZE: Final = 224
VIEW: Final = 128
FILE: Final = "patch_features.onnx"
LAYER: Final = "feat_s16_c96"
CHANNELS: Final = 96
"""The teacher's layer at stride 16. With the one at stride 8 beside it (32 channels) the teacher itself told tiles apart
worse: AUROC 0.83 instead of 0.92 on validation."""
STAGES: Final[Stages] = {"cpu": (Stage(VIEW, 700, 32, 3e-3),), "gpu": (Stage(VIEW, 6000, 256, 3e-3),)}
VIEWS: Final[dict[str, int]] = {"photo": 600, "tile": 700, "thermogram": 300}
"""How many views are drawn of each kind; the teacher sees each once."""
MARKED: Final = 0.4
"""Share of the tiles' views with something painted on."""


@dataclass(frozen=True, slots=True)
class Album:
    """Views, and what the teacher sees at every place of them, [V,h,w,96], standardised by channel, float16."""

    views: list[Pixels]
    taught: Floats


def normal(picture: Picture) -> bool:
    """Whether a tile is free of defects, or a thermogram without a marked hot spot."""
    return picture.row.get("class") == "MT_Free" or picture.row.get("hotspot") == "0"


def album(place: Place) -> Album:
    """Views of the train part."""
    rng = np.random.default_rng(place.seed)
    sets = {"photo": WITH_NEGATIVES, "tile": ("magnetic_tile_full",), "thermogram": ("thermal_substations",)}
    views = []
    for kind, names in sets.items():
        items = [one for one in only(everything(place.data, names), "train") if kind == "photo" or normal(one)]
        chosen = [items[int(index)] for index in rng.integers(0, len(items), VIEWS[kind])]
        for image in decoded(chosen, 256):
            made = augment.random_view(rng, image, VIEW, 0.2)
            if kind == "tile" and rng.random() < MARKED:
                made = marked(rng, made)
            views.append(augment.colour(rng, made, 0.8) if kind == "photo" else made)
    return Album(views, taught(place, views))


def marked(rng: np.random.Generator, image: Pixels) -> Pixels:
    """One to three scratches, spots or brighter or darker fields painted on a picture."""
    made = image.astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        layer = np.zeros(image.shape[:2], np.uint8)
        start = rng.integers(0, VIEW, 2)
        if rng.random() < 0.6:
            steps = np.cumsum(rng.normal(0, 8, (int(rng.integers(2, 9)), 2)), axis=0)
            cv2.polylines(
                layer,
                [(start + steps).astype(np.int32)],
                isClosed=False,
                color=255,
                thickness=int(rng.integers(1, 4)),
                lineType=cv2.LINE_AA,
            )
        else:
            axes = tuple(int(side) for side in np.exp(rng.uniform(0.5, 3.5, 2)))
            cv2.ellipse(layer, tuple(int(at) for at in start), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        soft = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.4, 2))).astype(np.float32) / 255
        made += (soft * float(rng.choice([-1, 1]) * rng.uniform(15, 90)))[:, :, None]
    return as_pixels(np.clip(made, 0, 255))


def taught(place: Place, views: list[Pixels]) -> Floats:
    """The teacher's layer over all views. Raises `ValueError` without a teacher."""
    if place.teacher is None:
        message = "the patches recipe needs --teacher"
        raise ValueError(message)
    model = onnx.load(str(place.teacher / teacher.FILE))
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for side in list(value.type.tensor_type.shape.dim)[2:]:
            side.dim_param = f"{value.name}_any"
    network = served.session(model.SerializeToString(), 1)
    name, found = model.graph.input[0].name, []
    for one in views:
        image = np.ascontiguousarray(augment.unit([one]).transpose(0, 3, 1, 2))
        found.append(network.run([LAYER], {name: image})[0][0].transpose(1, 2, 0))
    layer = np.stack(found)
    standard = (layer - layer.mean(axis=(0, 1, 2))) / (layer.std(axis=(0, 1, 2)) + 1e-3)
    return np.asarray(standard, np.float16)


def build(weights: Any = None) -> networks.Network:
    """[N,S,S,3] in -1..1 to features [N,S/16,S/16,96]."""
    body = networks.mobile_body(None, weights)
    middle = networks.separable(body.get_layer(networks.TAPS[16]).output, 256, 5)
    return keras.Model(body.input, layers.Conv2D(CHANNELS, 1, dtype=WHOLE, name="features")(middle), name="patches")


def loss(found: Any, wanted: Any) -> Any:
    """Squared error; 1 is what saying nothing costs."""
    return ops.mean(ops.square(found - ops.cast(wanted, WHOLE)))


def drawn(rng: np.random.Generator, pictures: Album, stage: Stage) -> Batch:
    """Any of the views."""
    chosen = rng.integers(0, len(pictures.views), stage.batch)
    return np.stack([pictures.views[int(k)] for k in chosen]), pictures.taught[chosen]


def train(place: Place, budget: Budget) -> None:
    """Write `patches.weights.h5`."""
    pictures = album(place)
    log.info("%d views", len(pictures.views))
    learn(
        Lesson(
            recipe="patches",
            at_size=lambda _, former: former or build(place.body),
            draw=lambda rng, stage: drawn(rng, pictures, stage),
            loss=loss,
            stages=STAGES,
        ),
        place,
        budget,
    )


def serving(place: Place) -> Served:
    """The features, each place averaged with its neighbours."""
    model = build()
    model.load_weights(str(place.weights("patches")))

    def call(image: Any) -> dict[str, Any]:
        return {"embedding": ops.average_pool(model(image, training=False), 3, strides=1, padding="same")}

    return Served(place.out / FILE, SIZE, ("embedding",), call)
