"""The networks of the skincare system."""

from typing import Final

from training.entries.entry import IMAGENET, Entry
from training.entries.paint import PAINT, TERMS

NOT_FOR: Final = (
    "any statement about anybody's skin: no dermatologist labelled anything, every finding it learned from is painted"
)
WEAK: Final = (
    "Learned from paint, scored on paint: accuracy on synthetic data says that the network finds our paint.",
    "Faces are some 25 pixels wide in the source and enlarged; sharp portraits look different from what it saw.",
    "Its training pictures had a fainter paint of hair than those it is scored on.",
    "Only one finding is ever painted at a time; real skin may show several.",
    "The other network of this system may say something else of the same face: both are reported.",
)


def finding(
    name: str, title: str, labels: tuple[str, ...], form: str, good_for: str, weak: tuple[str, ...] = ()
) -> Entry:
    """One network."""
    return Entry(
        name=name,
        file=f"{name}.onnx",
        recipe=name,
        task="classifier",
        title=title,
        input={"name": "image", "size": [224, 224], **IMAGENET},
        outputs={"logits": "logits", "cam": "cam"},
        labels={"logits": labels},
        trained_on=("people_ccp",),
        scored_on=(),
        terms=TERMS,
        explanation={"method": "grad-cam", "layer": "top_activation", "form": "logit_difference"},
        good_for=good_for,
        not_for=NOT_FOR,
        how=f"{form}, average pooling, one dense layer, on a face that fills the picture. {PAINT.format(pictures='4,000')} "
        "The recipe also writes the same weights as TorchScript (`OUT/"
        + name
        + ".pt`), held to this file within 1e-4; "
        "it is not in the pack, because a `.pt` is a pickle.",
        weak=(*WEAK, *weak),
    )


SKINCARE: Final = (
    finding(
        "skin_acne",
        "Acne or none?",
        ("no_acne", "acne"),
        "Three convolutions, which begin with those of skin_condition",
        "showing a binary finding with its map; rosacea, eczema and pigmentation were taught as no acne",
    ),
    finding(
        "skin_condition",
        "Which finding on the face?",
        ("normal", "acne", "rosacea", "eczema", "pigmentation"),
        "Four convolutions",
        "showing a finding among five with its map",
        ("Pigmentation is mostly missed, often for normal skin; the training was too short for it.",),
    ),
)
