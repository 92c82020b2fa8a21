"""The systems: one file each, and this literal list of them."""

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.systems.cat_face import CAT_FACE
from pipeline.systems.cataract import CATARACT
from pipeline.systems.skin_hair import SKIN_HAIR
from pipeline.systems.skincare import SKINCARE
from pipeline.systems.thermal import THERMAL

PIPELINES: dict[System, Pipeline] = {
    System.CAT_FACE: CAT_FACE,
    System.SKIN_HAIR: SKIN_HAIR,
    System.SKINCARE: SKINCARE,
    System.THERMAL: THERMAL,
    System.CATARACT: CATARACT,
}
