"""Close-ups of skin and hair: which type of each, and one condition. Seed: rows S1.1 to S1.53."""

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.stages.build_report import BuildReport
from pipeline.stages.capture_debug import CaptureDebug
from pipeline.stages.classify_heads import ClassifyHeads
from pipeline.stages.decode_image import DecodeImage
from pipeline.stages.fetch_input import FetchInput

HEADS = ("skin_type", "hair_type", "condition")
FORMS = ("skin_hair_tflite", "skin_hair")

# It does not diagnose, and does not notice a picture that shows neither skin nor hair.
SKIN_HAIR = Pipeline(
    System.SKIN_HAIR,
    stages=(
        FetchInput(),
        DecodeImage(longest_side=2048),
        ClassifyHeads(choices=FORMS),
        CaptureDebug(choices=FORMS, switch="debug"),
        BuildReport(
            system=System.SKIN_HAIR,
            optional=("fetch_input", "decode_image", "classify_heads"),
            regions=HEADS,
            findings_of="classify_heads",
            healthy=None,
        ),
    ),
)
