"""Human faces: where are its regions of skin, what do they measure, what do two networks see? Seed: rows S2.1 to S2.38."""

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.stages.build_report import BuildReport
from pipeline.stages.classify_region import ClassifyRegion
from pipeline.stages.compare_findings import CompareFindings
from pipeline.stages.crop_skin_regions import CropSkinRegions
from pipeline.stages.decode_image import DecodeImage
from pipeline.stages.detect_face_mesh import DetectFaceMesh
from pipeline.stages.detect_human_face import DetectHumanFace
from pipeline.stages.explain_findings import ExplainFindings
from pipeline.stages.explain_regions import ExplainRegions
from pipeline.stages.fetch_input import FetchInput
from pipeline.stages.measure_skin import MeasureSkin
from pipeline.stages.render_face_mesh import RenderFaceMesh

READERS = ("classify_acne", "classify_condition")
SECTIONS = {"image": "decode_image", "face": "detect_human_face", "landmarks": "detect_face_mesh", "regions": "crop_regions",
            "heat": "explain_regions", "skin": "measure_skin", "agreement": "compare_findings"}  # fmt: skip
# It does not diagnose: the two networks learned from painted findings, the measures from no one's skin at all.
SKINCARE = Pipeline(
    System.SKINCARE,
    stages=(
        FetchInput(),
        DecodeImage(longest_side=2048),
        DetectHumanFace(detectors=("face_detector", "face_detector_far")),
        DetectFaceMesh(model="face_mesh"),
        CropSkinRegions(name="crop_regions"),
        ClassifyRegion(name="classify_acne", region="face", model="skin_acne"),
        ClassifyRegion(name="classify_condition", region="face", model="skin_condition"),
        CompareFindings(asked="acne", readers=READERS),
        ExplainFindings(regions=("acne", "condition"), switch="generate_gradcam"),
        ExplainRegions(findings=("acne", "condition"), switch="generate_gradcam"),
        MeasureSkin(),
        RenderFaceMesh(),
        BuildReport(system=System.SKINCARE, regions=("acne", "condition"), sections=SECTIONS,
                    optional=("fetch_input", *SECTIONS.values(), *READERS, "explain_findings", "render_face_mesh")),
    ),
)  # fmt: skip
