"""Cat portraits: is it a cat, where is its face, do eyes, ears and mouth look healthy? Seed: rows S0.1 to S0.88."""

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.stages.build_report import BuildReport
from pipeline.stages.classify_region import ClassifyRegion
from pipeline.stages.crop_regions import CropRegions
from pipeline.stages.decode_image import DecodeImage
from pipeline.stages.detect_face import DetectFace
from pipeline.stages.detect_landmarks import DetectLandmarks
from pipeline.stages.explain_findings import ExplainFindings
from pipeline.stages.fetch_input import FetchInput
from pipeline.stages.remove_background import RemoveBackground
from pipeline.stages.render_preview import RenderPreview
from pipeline.stages.validate_subject import ValidateSubject

SCALES = {"left_eye": 0.9, "right_eye": 0.9, "left_ear": 1.4, "right_ear": 1.4, "mouth": 1.2}

# It does not diagnose: a finding says what one network, trained on drawn lesions, thinks of one crop.
CAT_FACE = Pipeline(
    System.CAT_FACE,
    stages=(
        FetchInput(),
        DecodeImage(longest_side=2048),
        ValidateSubject(model="cat_validator", subject="cat"),
        RemoveBackground(model="background", switch="remove_bg"),
        DetectFace(model="cat_face_detector"),
        DetectLandmarks(model="cat_landmarks", threshold=0.8),
        CropRegions(scales=SCALES, allowances={"mouth": 0.35}),
        ClassifyRegion(name="classify_left_eye", region="left_eye", model="cat_left_eye"),
        ClassifyRegion(name="classify_right_eye", region="right_eye", model="cat_right_eye"),
        ClassifyRegion(name="classify_left_ear", region="left_ear", model="cat_left_ear"),
        ClassifyRegion(name="classify_right_ear", region="right_ear", model="cat_right_ear"),
        ClassifyRegion(name="classify_mouth", region="mouth", model="cat_mouth"),
        ExplainFindings(regions=tuple(SCALES), switch="generate_gradcam"),
        RenderPreview(regions=tuple(SCALES)),
        BuildReport(system=System.CAT_FACE, regions=tuple(SCALES)),
    ),
)
