"""Close-ups of eyes: cataract or normal, fast, and by the strong model when that is unsure. Seed: rows S3.1 to S3.54."""

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.stages.build_report import BuildReport
from pipeline.stages.choose_path import ChoosePath
from pipeline.stages.classify_embedding import ClassifyEmbedding
from pipeline.stages.classify_region import ClassifyRegion
from pipeline.stages.compare_findings import CompareFindings
from pipeline.stages.decide_finding import DecideFinding
from pipeline.stages.decode_image import DecodeImage
from pipeline.stages.embed_image import EmbedImage
from pipeline.stages.explain_findings import ExplainFindings
from pipeline.stages.fetch_input import FetchInput
from pipeline.stages.find_pupil import FindPupil
from pipeline.stages.measure_picture import MeasurePicture
from pipeline.stages.render_eye import RenderEye
from pipeline.stages.validate_subject import ValidateSubject

EYE, READERS = ("decode_image", "validate_subject"), ("classify_fast", "classify_strong")
SECTIONS = {"image": "decode_image", "picture": "measure_picture", "subject": "validate_subject", "pupil": "find_pupil",
            "agreement": "compare_findings", "decision": "classify_cataract"}  # fmt: skip
TOLD = ("fetch_input", "embed_image", "choose_path", *READERS, "explain_findings", "render_eye", *SECTIONS.values())

# It does not diagnose: web pictures, labels that nobody checked, shortcuts in them (docs/cataract_data.md).
CATARACT = Pipeline(System.CATARACT, stages=(
    FetchInput(), DecodeImage(longest_side=2048),
    MeasurePicture(),
    ValidateSubject(model="eye_gate", subject="eye"),
    FindPupil(needs=EYE),
    EmbedImage(needs=EYE, model="eye_encoder", switch="fast"),
    ClassifyEmbedding(name="classify_fast", model="cataract_fast", switch="fast"),
    ChoosePath(needs=EYE, policy="cascade", label="cataract", low=0.0392, high=0.9608),
    ClassifyRegion(name="classify_strong", needs=(*EYE, "choose_path"), region="eye", model="cataract_strong", switch="strong"),
    CompareFindings(asked="cataract", readers=READERS),
    DecideFinding(name="classify_cataract", needs=EYE),
    ExplainFindings(needs=EYE, regions=("strong",), switch="generate_gradcam"),
    RenderEye(needs=EYE),
    BuildReport(system=System.CATARACT, regions=("cataract",), healthy=None, sections=SECTIONS, optional=TOLD),
))  # fmt: skip
