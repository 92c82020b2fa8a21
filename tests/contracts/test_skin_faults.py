"""Everything that can be wrong with a network of the skin systems is a code, and never a healthy-looking answer."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pipeline.contracts import System
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.run import run_in_memory
from pipeline.systems import PIPELINES
from tests.contracts.test_haski import face
from tests.contracts.test_skincare import portrait
from tests.public_weights import MIRROR, PACK, needs_public
from training.toml import document

row = pytest.mark.row
Break = Callable[[bytes], bytes | None]


def nan(content: bytes) -> bytes:
    """Every logit is not a number."""
    return with_end(content, "Mul", [np.array(np.nan, np.float32)])


def wrong_shape(content: bytes) -> bytes:
    """Twice as many logits as labels."""
    return with_end(content, "Concat", [], twice=True)


def missing(_: bytes) -> None:
    """No file."""


def cut_off(content: bytes) -> bytes:
    """Half a file, whose digest is right all the same."""
    return content[: len(content) // 2]


def with_end(content: bytes, kind: str, constants: list[Any], *, twice: bool = False, output: str = "logits") -> bytes:
    """The network with one more step between an output and what is read of it."""
    model = onnx.load_from_string(content)
    for node in model.graph.node:
        node.output[:] = ["inner" if name == output else name for name in node.output]
    names = [f"broken_{index}" for index in range(len(constants))]
    model.graph.initializer.extend(numpy_helper.from_array(c, n) for c, n in zip(constants, names, strict=True))
    given = ["inner", "inner"] if twice else ["inner", *names]
    more: dict[str, Any] = {"axis": 1} if twice else {}
    model.graph.node.append(helper.make_node(kind, given, [output], **more))
    for told in model.graph.output:
        if told.name == output:
            told.type.tensor_type.ClearField("shape")
    return bytes(model.SerializeToString())


def room(folder: Path, broken: dict[str, Break]) -> ModelRoom:
    """The starter pack with these networks broken, and the public pack as it is."""
    found = tomllib.loads((PACKS_ROOT / "starter" / "manifest.toml").read_text(encoding="utf-8"))["model"]
    for table in found:
        content = (PACKS_ROOT / "starter" / table["file"]).read_bytes()
        if table["name"] in broken:
            table["file"] = f"{table['name']}{Path(table['file']).suffix}"
            changed = broken[table["name"]](content)
            table["sha256"] = hashlib.sha256(changed or b"no such bytes").hexdigest()
            if changed is not None:
                (folder / table["file"]).write_bytes(changed)
        else:
            (folder / table["file"]).write_bytes(content)
    (folder / "manifest.toml").write_text(document(found), encoding="utf-8")
    return ModelRoom([read_manifest(folder / "manifest.toml", "starter"), PACK], ModelSettings(mirror=MIRROR or None))


def report(system: System, content: bytes, models: ModelRoom) -> dict[str, Any]:
    found: dict[str, Any] = run_in_memory(PIPELINES[system], content, models)["build_report"].data["report"]
    return found


CODES = {
    nan: "MODEL_OUTPUT_INVALID",
    wrong_shape: "MODEL_OUTPUT_INVALID",
    missing: "MODEL_UNAVAILABLE",
    cut_off: "MODEL_LOAD_ERROR",
}


@pytest.mark.parametrize("fault", CODES)
@row("S1.34", "S1.37", "S1.38")
def test_skin_hair_without_a_sound_network_has_no_label(tmp_path: Path, fault: Break) -> None:
    told = report(System.SKIN_HAIR, face(), room(tmp_path, {"skin_hair_tflite": missing, "skin_hair": fault}))
    for found in told["findings"].values():
        assert found == {"outcome": "failed", "code": CODES[fault]}
    assert {warning["code"] for warning in told["warnings"]} == {"REGION_NOT_ANSWERED"}


@needs_public("face_detector", "face_detector_far", "face_mesh")
@pytest.mark.parametrize("fault", CODES)
@pytest.mark.parametrize(("name", "finding"), [("skin_acne", "acne"), ("skin_condition", "condition")])
@row("S2.34", "S2.35")
def test_skincare_without_one_network_says_so_and_only_of_it(
    tmp_path: Path, fault: Break, name: str, finding: str
) -> None:
    told = report(System.SKINCARE, portrait(), room(tmp_path, {name: fault}))
    assert told["findings"][finding] == {"outcome": "failed", "code": CODES[fault]}
    [other] = told["findings"].keys() - {finding}
    assert "label" in told["findings"][other]
    assert told["agreement"]["disagreement"] is None and told["skin"] is not None
    assert told["agreement"]["answers"][f"classify_{finding}"] == {"says": None, "code": CODES[fault]}
