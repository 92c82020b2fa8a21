"""What a card and a manifest say of a model, beside what was measured; and the terms of the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TERMS: Final[Mapping[str, str]] = {
    "cat_face_landmarks_pseudo": "machine-made labels; pictures: Kaggle Dogs vs. Cats (research and competition use), "
    "cat_breeds and SuperGawp (unknown), gpriamo (MIT), maxogden (BSD)",
    "cats_dogs": "Kaggle Dogs vs. Cats (research use) and cat_breeds (unknown)",
    "cats_maxogden_bsd": "BSD; scored only, never trained on",
    "animal_masks_pseudo": "machine-made masks (DeepLabV3 and GrabCut) on pictures of the sets above, same terms",
    "noncat_caltech101": "Caltech 101, given as CC BY 4.0",
    "imagenet_sample1000": "ImageNet, non-commercial research only",
    "noncat_clothing_cc0": "CC0",
    "people_ccp": "Apache-2.0 repository; web photos of identifiable people",
    "cat_eye_conjunctivitis": "unknown; scored only, never trained on",
    "cat_landmarks": "hand-made points on 12 pictures of the CAT set; scored only",
}
"""The sets and their terms, as far as they could be found out."""

LICENCE: Final = "Apache-2.0 (code); demonstration weights, data terms on the card: partly research-only and unknown"
SPLIT: Final = (
    "74 % train, 10 % validation, 16 % test, by a stable hash of the group: an individual cat (gpriamo), ten "
    "consecutive shots (people_ccp), a whole source kept for testing (maxogden, SuperGawp), else the picture. "
    "Thresholds and temperatures were set on the validation part or in advance, never on the test part."
)
SIGNED: Final = {"scale": 255.0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
IMAGENET: Final[Mapping[str, Any]] = {"scale": 255.0, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the pack. `input` and `outputs` are written to the manifest as they are."""

    name: str
    file: str
    recipe: str
    task: str
    title: str
    input: Mapping[str, Any]
    outputs: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]]
    trained_on: tuple[str, ...]
    scored_on: tuple[str, ...]
    good_for: str
    not_for: str
    how: str
    weak: tuple[str, ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)
    crop_scale: float | None = None
    explanation: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1.0.0"
    """Rises when other weights are shipped."""
    runtime: str = "onnx"
    """What reads `file`: a name of `pipeline.models.manifest.RUNTIMES`."""
    also_files: tuple[str, ...] = ()
    """Other forms of the same network, shipped beside `file` and named on its card; the manifest serves `file` alone."""
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Label to the class indices that count as it, where the classes are not the labels."""
    split: str = SPLIT
    terms: Mapping[str, str] = field(default_factory=lambda: TERMS)
    """Set to its terms; a system with sets of its own gives its own."""
    licence: str = LICENCE
