"""A portrait goes through the whole house over HTTP: ledger, storage and the public networks included."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.client import Client
from pipeline.systems.skincare import SKINCARE
from tests import photos
from tests.public_weights import MIRROR, needs_public
from tests.servers.house import House

pytestmark = [pytest.mark.timeout(300), needs_public("face_detector", "face_detector_far", "face_mesh")]


@pytest.fixture(scope="module")
def client(server_folder: Path) -> Iterator[Client]:
    folder = server_folder / "skincare"
    folder.mkdir()
    packs = {"SCANMILL_MODEL_PACKS": "starter,public"}
    if MIRROR:
        packs["SCANMILL_MODEL_MIRROR"] = MIRROR
    with House(folder, environment=packs) as running, running.client() as client:
        yield client


def test_a_portrait_is_measured_and_its_regions_can_be_fetched(client: Client) -> None:
    scan = client.wait(
        client.submit(photos.not_a_cat(), filename="astronaut.jpg", pipeline="skincare").id, timeout_s=120
    )
    assert scan.status == "succeeded" and {stage.state for stage in scan.stages} == {"ok"}
    assert {stage.name for stage in scan.stages} == {stage.name for stage in SKINCARE.stages}
    assert scan.report is not None
    assert len(scan.report["landmarks"]["points"]) == 468
    assert scan.report["skin"]["skin_tone"]["overall"] is not None
    assert set(scan.report["agreement"]["answers"]) == {"classify_acne", "classify_condition"}
    (cheek,) = [artifact for artifact in scan.artifacts if artifact.name == "crop_left_cheek"]
    pixels = np.asarray(Image.open(io.BytesIO(client.download(scan.id, cheek))))
    assert pixels.shape[2] == 4 and set(np.unique(pixels[..., 3])) == {0, 255}


def test_a_cat_has_no_human_face(client: Client) -> None:
    scan = client.wait(client.submit(photos.cat(), filename="chelsea.jpg", pipeline="skincare").id, timeout_s=120)
    assert (scan.status, scan.code) == ("rejected", "NO_FACE_DETECTED")
    assert scan.report is not None and scan.report["skin"] is None
