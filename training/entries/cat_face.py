"""The networks of the cat_face system."""

from typing import Final

from training import crops
from training.entries.entry import SIGNED, Entry
from training.faces import POINTS

SETS: Final = (
    "cat_face_landmarks_pseudo",
    "cats_dogs",
    "noncat_caltech101",
    "imagenet_sample1000",
    "noncat_clothing_cc0",
    "people_ccp",
)
"""What every network saw, by the distilled body or as pictures without a cat."""


VALIDATOR: Final = Entry(
    name="cat_validator",
    file="cat_validator.onnx",
    recipe="validator",
    task="subject",
    title="Is it a cat?",
    input={"name": "image", "size": [224, 224], **SIGNED},
    outputs={"subject": "subject", "breed": "breed"},
    labels={"subject": ("not_cat", "cat"), "breed": crops.BREEDS},
    trained_on=SETS,
    scored_on=("cats_maxogden_bsd",),
    thresholds={"subject": 0.7},
    good_for="turning away pictures without a domestic cat before anything else runs",
    not_for="telling breeds, counting cats, or wildlife: wild felids and drawings are taught as not a cat",
    how="MobileNetV3Small, first taught to predict the embedding of a public ImageNet network (MobileNetV2) from "
    "random views, then fitted to labels, then to labels and the same network's answers. Half of each batch is cats; "
    "the other half is dogs, people, things, clothes, wild felids and cartoon or pencil renderings of cat photos. The "
    "whole picture is squashed to the input; the graph asks about it and its mirror image and takes the mean. The "
    "chance is calibrated on the validation part as if half of all pictures were cats.",
    version="1.2.0",
    weak=(
        "The breed head is a toy: five labels, 164 labelled pictures, several labels that even people cannot tell "
        "apart on shelter photos. Treat it as chance unless the figure above says otherwise.",
        "Below the 0.965 it was meant to reach: cats that are small, curled up or in dim homes are turned away, most of "
        "all in a source it has never seen. A linear head on the teacher's own embedding gets 0.986 on the validation part, "
        "so the pictures are enough and the training is too short: 300,000 more views raised it from 0.893 to 0.926, "
        "and distilling wants millions.",
        "Only 28 wild felids to learn from and 6 to score; small cats seen from far away are missed most.",
        "Cats and others come from different sources; part of the score may be the source.",
    ),
)
DETECTOR: Final = Entry(
    name="cat_face_detector",
    file="cat_face_detector.onnx",
    recipe="detector",
    task="detector",
    title="Where is the cat's head?",
    input={"name": "image", "size": [320, 320], "letterbox": 114, **SIGNED},
    outputs={"boxes": "boxes", "scores": "scores"},
    labels={"scores": ("cat_face",)},
    trained_on=SETS,
    scored_on=(),
    good_for="one or a few mostly frontal cat heads per picture, from about a tenth of the picture's side to filling it",
    not_for="profiles, backs of heads, dogs, identification of individuals",
    how="The same distilled body, three grids (strides 8, 16, 32) with a light top-down neck; one box and one score "
    "per cell, decoded in the graph. The box is the whole head: the machine-made square widened by 1.3 and lifted by "
    "7 % of its side, so that the ears are inside; it may reach outside the picture. Trained on turned, scaled, "
    "pasted and mosaicked scenes, about a third of the tiles without a cat.",
    weak=(
        "Boxes are machine-made and square; only one cat per training picture is labelled, so second cats were "
        "taught as background. Faces in profile are absent from the labels.",
        "Small heads, with a side under half the picture's shorter side, are missed more often, and one dog in four gets "
        "a box (see the slices). The score is an overlap and no chance: at 0.5 to 0.7 most boxes are wrong.",
        "Just below the AP50 of 0.94 it was meant to reach: it saw 32,000 scenes, and has not settled. A longer "
        "training is what is missing; the recipe now also turns and narrows heads.",
    ),
)
LANDMARKS: Final = Entry(
    name="cat_landmarks",
    file="cat_landmarks.onnx",
    recipe="landmarks",
    task="landmarks",
    title="Eyes, ear bases, mouth and nose",
    input={"name": "image", "size": [96, 96], **SIGNED},
    outputs={"points": "points", "confidence": "confidence"},
    labels={"points": POINTS},
    trained_on=SETS,
    scored_on=("cat_landmarks",),
    thresholds={"confidence": 0.5},
    good_for="cropping the areas of a mostly frontal cat face",
    not_for="measuring; faces in profile",
    how="Convolutions down and up to six heat maps that reach a sixth of the crop beyond its edge; a point is its "
    "map's expectation, so it may lie outside the crop. Left is left in the picture. An ear is the midpoint of its "
    "inner and outer base; the mouth is no label of its own: nose + 0.4 (chin - nose). The crop is the square about "
    "the head box's centre, side = the box's longer side, grey (114) outside the picture. The confidence was trained "
    "against a mean error below 10 % of the head's side and against crops without a face, and its scale and offset "
    "were fitted on the validation part. Crops were turned (one in sixteen by any angle), narrowed as a head half "
    "turned away is, and cut off as at a picture's edge.",
    version="1.1.0",
    weak=(
        "The labels are machine-made; against hand-made points their own error is about a tenth of the distance "
        "between the eyes, twice that at the ear bases.",
        "The hand-made points are on 12 pictures only, so their interval is wide.",
    ),
)
MATTE: Final = Entry(
    name="background",
    file="background.onnx",
    recipe="matte",
    task="matte",
    title="Foreground mask",
    input={
        "name": "image",
        "size": [320, 320],
        "scale": "max",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    },
    outputs={"mask": "mask"},
    labels={},
    trained_on=("animal_masks_pseudo", *SETS),
    scored_on=(),
    good_for="cutting out one animal or person from a photo",
    not_for="hair-fine mattes, objects, several overlapping subjects",
    how="The same distilled body with a light decoder, in the input form of rembg's u2net: squashed to 320x320, "
    "divided by the brightest value, ImageNet mean and deviation.",
    weak=(
        "Animals learned from machine-made masks: whiskers, thin tails and limbs behind bars are lost.",
        "People are scored on street fashion only: standing, whole, one per picture.",
        "Subjects that fill less than 40 % of the picture are cut out less well, and alpha is too sure in the middle of "
        "its range.",
        "Below the 0.90 it was meant to reach: it saw 12,000 pictures, of which 1,600 at full size. A longer training "
        "is what is missing; the masks of people are good enough.",
    ),
)


def area(name: str) -> Entry:
    """One of the five heads of the shared area network."""
    kind = crops.KIND[name]
    return Entry(
        name=f"cat_{name}",
        file="cat_areas.onnx",
        recipe="areas",
        task="classifier",
        title=f"Does the {name.replace('_', ' ')} look normal?",
        input={"name": "image", "size": [224, 224], **SIGNED},
        outputs={"logits": f"{name}_logits", "cam": f"{name}_cam"},
        labels={"logits": crops.AREA_LABELS},
        trained_on=SETS,
        scored_on=("cat_eye_conjunctivitis",) if kind == "eye" else (),
        thresholds={},
        crop_scale=crops.CROP_SCALE[kind],
        explanation={"method": "grad-cam", "layer": "top_activation", "form": "logit_difference"},
        good_for="showing the pipeline: crop, finding, heat map",
        not_for="any statement about an animal's health: no veterinarian labelled anything, the abnormal pictures are "
        "painted",
        how="One distilled MobileNetV3Small for all five areas, a dense softmax head each. Normal crops are real; "
        "abnormal ones are the same crops with painted redness, discharge, clouding, swelling, crusts, wounds or bald "
        "patches (`training/lesions.py`), reduced to the photo's own coarseness afterwards. Harmless patches, bars and "
        "glints are painted on a third of all crops, so that paint alone is not the answer. "
        f"Crop: a square on the point, side = {crops.CROP_SCALE[kind]} x the distance between the eyes, grey outside "
        "the picture. The map is the logit difference (abnormal - normal) at each of 7x7 cells before pooling; its "
        "mean is that difference without the bias.",
        weak=(
            "Learned from paint, scored on paint: the score says that the network finds our paint. It lets more paint pass "
            "than it accuses clean crops (see the slices by what was shown).",
            "Below the 0.91 it was meant to reach on paint, after 20,000 crops. 29,000 crops more were tried: they "
            "raised that score by nearly three points and made it call more sharp photos of healthy cats abnormal (right "
            "eyes: ten of 15 instead of five), so they are not in it. Sharp close-ups of healthy cats would help more "
            "than more paint.",
            "'Normal' crops were never examined; some of those cats may be ill.",
            "Most training faces are small; sharp close-ups look different from what it has learned. On 15 sharp "
            "photos of presumably healthy cats it called 20 % (left ear, mouth) to 40 % (left eye) of the areas abnormal.",
            *(
                (
                    "Real pictures: healthy ones are mostly whole faces, infected ones mostly close-ups; only those "
                    "in which our own networks find a face are counted, and framing is a shortcut. On them this "
                    "network is little better than a coin.",
                )
                if kind == "eye"
                else ()
            ),
        ),
    )


CAT_FACE: Final = (VALIDATOR, DETECTOR, LANDMARKS, MATTE, *(area(name) for name in crops.AREAS))
