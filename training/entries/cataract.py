"""The networks of the cataract system."""

from collections.abc import Mapping
from typing import Final

from training.entries.entry import SIGNED, Entry
from training.entries.entry import TERMS as COMMON
from training.entries.eyes_words import SHORTCUTS, SPLIT

TERMS: Final[Mapping[str, str]] = {
    **COMMON,
    "human_eye_cataract": "none / unknown (web pictures, many of them slit-lamp photographs); labels are the source's own",
    "human_eye_conjunctivitis": "none / unknown (stock pictures, some with watermarks)",
    "skin_type": "none / unknown",
}
NO_EYES: Final = (
    "cats_dogs",
    "noncat_caltech101",
    "imagenet_sample1000",
    "noncat_clothing_cc0",
    "people_ccp",
    "cat_face_landmarks_pseudo",
    "skin_type",
)
EYES: Final = ("human_eye_cataract", "human_eye_conjunctivitis")
ENCODER: Final = (
    "One MobileNetV3Small, all of it fine-tuned from the body of the shipped cat_validator (`python -m training.revive "
    "body --pack models/starter --data DATA --to OUT/body.weights.h5` comes first, then the recipe `eyes`). From the same views of eyes it learned eye or not, cataract or normal where the label is known (train part), "
    "and the embedding of a public ImageNet network (MobileNetV2, Apache-2.0, not shipped). Views are turned, cut tight "
    "or given a border of any kind whatever the label."
)
NOT_FOR: Final = (
    "any statement about anybody's eyes: no ophthalmologist labelled or checked anything, and the figures come from web "
    "pictures; this is not a medical device"
)
PICTURE: Final = {"name": "image", **SIGNED}

GATE: Final = Entry(
    name="eye_gate",
    file="eyes.onnx",
    recipe="eyes",
    task="subject",
    title="Is it a close-up of a human eye?",
    input={**PICTURE, "size": [160, 160]},
    outputs={"subject": "subject"},
    labels={"subject": ("not_eye", "eye")},
    trained_on=(*EYES, *NO_EYES),
    scored_on=(),
    thresholds={"subject": 0.5},
    good_for="turning away pictures that are no close-up of an eye before a cataract model answers anyway",
    not_for="finding eyes in faces, telling people's eyes from animals' (no close-up of an animal's eye was among what it "
    "learned), and judging whether a picture is sharp enough",
    how=f"{ENCODER} No eye: faces and people, skin, things, clothes, cats, dogs, and painted rings on photos. The chance is "
    "calibrated on the validation part as if half of all pictures were eyes.",
    weak=(
        "Eyes and other pictures come from different sources, and many eyes of the source have smeared or white borders: "
        "part of the score may be the source.",
        "Painted rings pass too often, three in ten: roundness is part of what it takes for an eye.",
        "The body learned for 257 steps only, 8,000 views; a longer training is what is missing.",
    ),
    terms=TERMS,
    split=SPLIT,
)
ENCODER_ENTRY: Final = Entry(
    name="eye_encoder",
    file="eyes.onnx",
    recipe="eyes",
    task="embedding",
    title="An eye as 576 numbers",
    input={**PICTURE, "size": [160, 160]},
    outputs={"embedding": "embedding"},
    labels={},
    trained_on=(*EYES, *NO_EYES),
    scored_on=(),
    good_for="a fast model on top (cataract_fast), and finding pictures that look alike",
    not_for="identifying people, and anything but close-ups of eyes",
    how=f"{ENCODER} The embedding is the mean of the last layer over the picture. It is the same file as eye_gate, so one "
    "pass could give both.",
    weak=(
        "It knows the labels of the train part: distances between pictures of the train part look better than they are.",
    ),
    terms=TERMS,
    split=SPLIT,
)
FAST: Final = Entry(
    name="cataract_fast",
    file="cataract_fast.txt",
    recipe="cataract_fast",
    runtime="lightgbm",
    task="tabular",
    title="Cataract or normal, from the embedding",
    input={"features": 576},
    outputs={"probabilities": "probabilities"},
    labels={"probabilities": ("normal", "cataract")},
    trained_on=("human_eye_cataract",),
    scored_on=("human_eye_conjunctivitis",),
    good_for="the fast half of a cascade: sure answers at once, unsure ones to cataract_strong",
    not_for=NOT_FOR,
    how="LightGBM, 300 small trees on the 576 numbers of eye_encoder, over every train picture as it is, its middle, and "
    "a random view. Leaves are scaled and shifted on the validation part, as if half of all eyes had a cataract.",
    weak=(
        "Just below the 0.932 that it was meant to reach, which lies within the interval. The encoder below it learned for "
        "257 steps only; a straight line on its teacher's own embedding gets 0.93 over groups of the train and validation "
        "part, so a longer training would help, and more originals more than that.",
        *SHORTCUTS,
    ),
    terms=TERMS,
    split=SPLIT,
)
STRONG: Final = Entry(
    name="cataract_strong",
    file="eyes.onnx",
    recipe="cataract_strong",
    task="classifier",
    title="Cataract or normal, from the picture",
    input={**PICTURE, "size": [160, 160]},
    outputs={"logits": "scanmill_logits", "cam": "scanmill_cam"},
    labels={"logits": ("normal", "cataract")},
    trained_on=(*EYES, *NO_EYES),
    scored_on=(),
    explanation={"method": "grad-cam", "layer": "top_activation", "form": "logit_difference"},
    good_for="the strong half of a cascade, and showing where a finding comes from",
    not_for=NOT_FOR,
    how="A straight line through the embedding of eye_encoder, whose body was fine-tuned with the labels of the train part, "
    "fitted anew on every train picture as it is, its middle and a random view; its shrinkage was chosen on the "
    "validation part. One map a label at each of 5x5 places before pooling. The same file as eye_gate and eye_encoder.",
    weak=(
        "Below the 0.965 that it was meant to reach: it is hardly stronger than the fast model. A network of its own, at a "
        "larger input and trained for longer, is what is missing; the pictures may not allow much more, as size alone tells "
        "cataract from normal in 86 % (see docs/cataract_data.md).",
        *SHORTCUTS,
        "It stands on the same embedding as cataract_fast, so the two are wrong together more often than two networks of "
        "different making would be: their agreement proves little, and it costs no pass that the encoder has not made.",
    ),
    terms=TERMS,
    split=SPLIT,
)
CATARACT: Final = (GATE, ENCODER_ENTRY, FAST, STRONG)
