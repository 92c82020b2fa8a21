"""Thermograms of equipment: how unlike remembered normal pictures, and where? Seed: rows S4.1 to S4.51."""

from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.stages.build_report import BuildReport
from pipeline.stages.decode_image import DecodeImage
from pipeline.stages.detect_anomalies import DetectAnomalies
from pipeline.stages.fetch_input import FetchInput
from pipeline.stages.measure_temperatures import MeasureTemperatures
from pipeline.stages.render_anomaly import RenderAnomaly

SECTIONS = {"image": "decode_image", "anomaly": "detect_anomalies", "temperatures": "measure_temperatures"}

# It says "unlike what was normal", never what is wrong, and it compares colours: temperatures are told beside that where a
# camera left them. Its memory is the installation's own.
THERMAL = Pipeline(
    System.THERMAL,
    stages=(
        FetchInput(),
        DecodeImage(longest_side=2048),
        DetectAnomalies(model="thermal_patchcore"),
        MeasureTemperatures(),
        RenderAnomaly(optional=("measure_temperatures",), switch="return_visualizations"),
        BuildReport(
            system=System.THERMAL,
            optional=("fetch_input", *SECTIONS.values(), "render_anomaly"),
            sections=SECTIONS,
            regions=("anomaly",),
            findings_of="detect_anomalies",
            healthy=None,
        ),
    ),
)
