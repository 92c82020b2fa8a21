"""Everything that can be wrong with a memory is a code, and never "Normal"."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pipeline.contracts import System
from pipeline.errors import ModelLoadError, ModelOutputInvalid, ModelUnavailable
from pipeline.run import run_in_memory
from pipeline.systems import PIPELINES
from tests import thermal_pack
from tests.thermograms import thermogram
from training.toml import document

Model = dict[str, Any]
Break = Callable[[bytes, Model], bytes | None]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return thermal_pack.made(tmp_path_factory.mktemp("memory"))


def score_is_no_number(content: bytes, _: Model) -> bytes:
    """The score is not a number, the map is sound."""
    return _times(content, "score", np.nan)


def map_is_no_number(content: bytes, _: Model) -> bytes:
    """The other way round."""
    return _times(content, "map", np.nan)


def below_nothing(content: bytes, _: Model) -> bytes:
    """Distances are negative: less strange than what is remembered."""
    return _times(content, "score", -1)


def missing(_: bytes, __: Model) -> None:
    """No file."""


def cut_off(content: bytes, _: Model) -> bytes:
    """Half a file, whose digest is right all the same."""
    return content[: len(content) // 2]


def without_limits(content: bytes, table: Model) -> bytes:
    """A manifest that says no scale."""
    del table["thresholds"]
    return content


def limits_turned_round(content: bytes, table: Model) -> bytes:
    """What is typical lies above the limit."""
    table["thresholds"]["typical_score"] = 2 * table["thresholds"]["score"]
    return content


def _times(content: bytes, output: str, factor: float) -> bytes:
    """The network with one of its outputs multiplied."""
    model = onnx.load_from_string(content)
    for node in model.graph.node:
        node.output[:] = ["inner" if name == output else name for name in node.output]
        node.input[:] = ["inner" if name == output else name for name in node.input]
    model.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    model.graph.node.append(helper.make_node("Mul", ["inner", "factor"], [output]))
    return bytes(model.SerializeToString())


CODES = {
    score_is_no_number: ModelOutputInvalid.code,
    map_is_no_number: ModelOutputInvalid.code,
    below_nothing: ModelOutputInvalid.code,
    missing: ModelUnavailable.code,
    cut_off: ModelLoadError.code,
    without_limits: ModelUnavailable.code,
    limits_turned_round: ModelUnavailable.code,
}


def report(folder: Path, pack: Path, fault: Break | None) -> dict[str, Any]:
    """What a picture with a hot spot is told of a memory with that fault."""
    broken = folder / "broken"
    shutil.copytree(pack, broken)
    [table] = tomllib.loads((pack / "manifest.toml").read_text(encoding="utf-8"))["model"]
    content = (pack / table["file"]).read_bytes()
    changed = fault(content, table) if fault else content
    (broken / table["file"]).unlink()
    if changed is not None:
        (broken / table["file"]).write_bytes(changed)
        table["sha256"], table["bytes"] = hashlib.sha256(changed).hexdigest(), len(changed)
    (broken / "manifest.toml").write_text(document([table]), encoding="utf-8")
    runs = run_in_memory(PIPELINES[System.THERMAL], thermogram(5, hot=True).png, thermal_pack.room(broken))
    found: dict[str, Any] = runs["build_report"].data["report"]
    return found


@pytest.mark.row("S4.46")
@pytest.mark.parametrize("fault", CODES)
def test_a_broken_memory_has_no_score_no_band_and_no_picture(tmp_path: Path, pack: Path, fault: Break) -> None:
    told = report(tmp_path, pack, fault)
    assert told["findings"]["anomaly"] == {"outcome": "failed", "code": CODES[fault]}
    assert told["anomaly"] is None and told["stages"]["render_anomaly"]["code"] == "UPSTREAM_NOT_OK"
    assert not {"mask", "overlay", "filtered", "bounded", "anomaly_map"} & set(told["artifacts"])
    assert {warning["code"] for warning in told["warnings"]} == {"REGION_NOT_ANSWERED"}
    assert "Normal" not in str(told)


def test_a_sound_memory_beside_them_says_faulty(tmp_path: Path, pack: Path) -> None:
    """Or the test above could not fail."""
    assert report(tmp_path, pack, None)["findings"]["anomaly"]["label"] == "Faulty"
