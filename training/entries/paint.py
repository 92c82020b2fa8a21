"""What the cards of networks say that learned from painted faces; `PAINT` wants the number of training pictures."""

from typing import Final

from training.entries import entry

PAINT: Final = (
    "Every label is painted (`training/skin_paint.py`) on real heads of people_ccp, cut out by their hand-made masks of "
    "skin and hair and enlarged: {pictures} pictures to learn from, 400 to set the temperature, 800 to score, of different "
    "people. Two thirds were shifted to another tone of skin and hair. Moles, freckles, rouge, powder, stubble, stray "
    "hairs, glare and shadow (`training/face_paint.py`) are painted on all classes alike, so that paint alone is not the "
    "answer."
)
TERMS: Final = {
    **entry.TERMS,
    "skin_type": "unknown terms; 54 skin-scope close-ups (originals), scored only, never trained on",
}
