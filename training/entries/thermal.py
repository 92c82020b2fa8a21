"""The networks of the thermal system."""

from collections.abc import Mapping
from typing import Final

from training.entries.entry import SIGNED, Entry
from training.entries.entry import TERMS as COMMON

TERMS: Final[Mapping[str, str]] = {
    **COMMON,
    "magnetic_tile_full": "none; its README says welcome to use, and asks to cite Huang et al. 2018",
    "thermal_substations": "none / unknown; pictures of a paper in IEEE Latin America Transactions",
}
PHOTOS: Final = ("cats_dogs", "noncat_caltech101", "imagenet_sample1000", "noncat_clothing_cc0", "people_ccp")
SPLIT: Final = (
    "74 % train, 10 % validation, 16 % test, by a stable hash of the group: a thousand consecutive numbers of the tiles' "
    "files (one tile's exposures follow each other), ten consecutive shots of a place for thermograms. Memories hold "
    "normal pictures of the train part; layers and size were chosen on validation normals and train defects; the "
    "threshold is of validation normals."
)
METHOD: Final = "PatchCore (Roth et al. 2022, arXiv:2106.08265)"
FEATURES: Final = Entry(
    name="patch_features",
    file="patch_features.onnx",
    recipe="patches",
    task="embedding",
    title="Every place of a picture as 96 numbers",
    input={"name": "image", "size": [224, 224], **SIGNED},
    outputs={"embedding": "embedding"},
    labels={},
    trained_on=(*PHOTOS, "magnetic_tile_full", "thermal_substations"),
    scored_on=(),
    good_for=f"a memory of your own normal pictures for {METHOD}: `scanmill train patchcore --normal DIR`",
    not_for="telling what a picture shows",
    how="The lower half of our distilled MobileNetV3Small (stride 16) with a light head that learned to repeat what a "
    "public ImageNet network (MobileNetV2, Apache-2.0, not shipped) says in its middle, place by place, on photos, normal "
    "tiles with and without painted scratches, and thermograms. Each place is averaged with its eight neighbours. The "
    "figures on tiles are of a memory of their normal train pictures, 1,500 patches, with the paper's reweighted score.",
    weak=(
        "Just below the AUROC of 0.887 on tiles that it was meant to reach, with a wide interval. The teacher's own layer "
        "reaches 0.92 on validation with the same code, so method and pictures are enough, and longer training is missing.",
        "Of thermograms it says nothing: a memory of pictures without a marked hot spot is worse than a coin.",
        "The stride-8 layer was left out: beside stride 16 the teacher's own score falls from 0.92 to 0.83.",
        "Marks smaller than a few pixels of the 224 x 224 input are lost.",
    ),
    terms=TERMS,
    split=SPLIT,
)
THERMAL: Final = (
    FEATURES,
    Entry(
        name="thermal_patchcore",
        file="thermal_patchcore.onnx",
        recipe="patchcore",
        task="anomaly",
        title="How unlike remembered thermograms?",
        input={"name": "image", "size": [224, 224], **SIGNED},
        outputs={"score": "score", "map": "map"},
        labels={},
        trained_on=("thermal_substations",),
        scored_on=(),
        good_for="showing the pipeline: anomaly map, boxes, bands, with a memory that fits into a demo",
        not_for="any statement about equipment: a memory must be made of your own installation's normal pictures",
        how=f"{METHOD}: patch_features with 1,500 remembered patches of thermograms without a marked hot spot, in one "
        "file. Map and score are distances; the threshold `score` is what 95 % of the validation part's pictures without "
        "a mark stay below.",
        weak=(
            "'Normal' means that the source marked no hot spot; nothing proves that those are healthy. Places "
            "differ from each other more than hot spots from their surroundings.",
            "Colours only: the palette is taken as it is, and another palette makes every picture strange.",
        ),
        terms=TERMS,
        split=SPLIT,
    ),
)
