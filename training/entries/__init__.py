"""The models of the starter pack, in the order of its manifest; one file per system."""

from typing import Final

from training.entries.cat_face import CAT_FACE
from training.entries.cataract import CATARACT
from training.entries.entry import Entry
from training.entries.skin_hair import SKIN_HAIR
from training.entries.skincare import SKINCARE
from training.entries.thermal import THERMAL

ENTRIES: Final[tuple[Entry, ...]] = (*CAT_FACE, *SKIN_HAIR, *SKINCARE, *CATARACT, *THERMAL)
