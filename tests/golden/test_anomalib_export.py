"""A network that anomalib exported is taken in, and says what anomalib said (``patchcore_reference.py`` wrote both down)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from cli.main import app
from pipeline.contracts import System
from pipeline.definition import Pipeline
from pipeline.errors import InvalidField, ModelRefused
from pipeline.imaging.codec import encode_png
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.run import run_in_memory
from pipeline.systems import PIPELINES
from training.convert import Description, accept

FOLDER = Path(__file__).parent / "expected"
EXPORT = FOLDER / "patchcore.onnx"
EXPECTED = dict(np.load(FOLDER / "patchcore.npz"))
SAID: dict[str, Any] = {"version": "1", "task": "anomaly", "licence": "ours", "source": "anomalib", "scale": 255.0}
THERMAL: Pipeline = PIPELINES[System.THERMAL]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> ModelRoom:
    """The export in a pack, as docs/adding_models.md tells."""
    pack = tmp_path_factory.mktemp("pack") / "mine"
    words = [
        "--name",
        "thermal_patchcore",
        "--version",
        "1",
        "--task",
        "anomaly",
        "--licence",
        "ours",
        "--scale",
        "255",
    ]
    with pytest.raises(SystemExit) as ended:
        app(["models", "add", str(EXPORT), *words, "--out", str(pack)])
    assert ended.value.code in (0, None)
    return ModelRoom([read_manifest(pack / "manifest.toml", "mine")])


def test_it_says_what_anomalib_said(room: ModelRoom) -> None:
    model = room.load("thermal_patchcore")
    assert model.entry.outputs == {"share": "pred_score", "share_map": "anomaly_map"}
    said = model.predict(list(EXPECTED["pictures"][-2:]))
    assert [each.score for each in said] == pytest.approx(EXPECTED["export_scores"].tolist(), abs=1e-4)
    assert np.abs([each.map for each in said] - EXPECTED["export_maps"]).max() < 1e-3


def test_its_shares_are_scores_without_a_scale_of_ours(room: ModelRoom) -> None:
    """Its threshold is 0.5 by its own doing: F1's best over the two pictures that it was shown, so the hot one lies on it."""
    normal, hot = (
        run_in_memory(THERMAL, encode_png(EXPECTED["pictures"][index]), room)["detect_anomalies"].data
        for index in (-2, -1)
    )
    expected = EXPECTED["export_scores"].tolist()
    assert [normal["score"], hot["score"]] == pytest.approx(expected, abs=1e-4)
    assert normal["score"] == normal["raw_score"] and normal["scale"] == {"typical": 0.05, "limit": 0.5}
    assert normal["band"] == "Normal"


def without(*outputs: str) -> bytes:
    """The export without some of its outputs."""
    network = onnx.load(EXPORT)
    kept = [value for value in network.graph.output if value.name not in outputs]
    del network.graph.output[:]
    network.graph.output.extend(kept)
    return bytes(network.SerializeToString())


def test_without_a_post_processor_it_needs_limits_as_any_memory_does(tmp_path: Path) -> None:
    file = tmp_path / "plain.onnx"
    file.write_bytes(without("pred_label", "pred_mask"))
    accepted = accept(file, Description("thermal_patchcore", **SAID))
    assert accepted.entry["outputs"] == {"map": "anomaly_map", "score": "pred_score"}


def test_distances_that_are_called_shares_are_refused(tmp_path: Path) -> None:
    """As an export has whose post-processor never saw a validation picture: distances, and labels all the same."""
    network = onnx.load(EXPORT)
    scored = next(node for node in network.graph.node if "pred_score" in node.output)
    scored.output[list(scored.output).index("pred_score")] = "inner"
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.array(9, np.float32), "nine"))
    network.graph.node.append(onnx.helper.make_node("Add", ["inner", "nine"], ["pred_score"]))
    file = tmp_path / "distances.onnx"
    onnx.save(network, file)
    with pytest.raises(ModelRefused, match="share lies in"):
        accept(file, Description("thermal_patchcore", **SAID))


def test_weights_beside_the_file_are_refused(tmp_path: Path) -> None:
    """What anomalib writes unless it is told otherwise; docs/adding_models.md says how."""
    file = tmp_path / "model.onnx"
    onnx.save_model(onnx.load(EXPORT), file, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    with pytest.raises(ModelRefused, match="another file"):
        accept(file, Description("thermal_patchcore", **SAID))


def test_an_output_that_is_not_there_is_no_score() -> None:
    with pytest.raises(InvalidField):
        accept(EXPORT, Description("thermal_patchcore", **SAID, outputs={"score": "nothing"}))
