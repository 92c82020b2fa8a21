"""The skincare seed's contract by HTTP, row by row, against real processes: announce, upload, poll."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jsonschema
import numpy as np
import pytest
import skimage.data
from PIL import Image

from api.schemas import SCHEMAS
from api.skincare.operations import SKINCARE_SCHEMAS
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.analyze import analyze_face
from pipeline.errors import ModelUnavailable
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.systems.skincare import SKINCARE
from tests import photos
from tests.contracts.batch_life import lived
from tests.contracts.kennel import Kennel, open_kennel
from tests.public_weights import MIRROR, needs_public, public_room
from tests.stack import until

pytestmark = [pytest.mark.timeout(300), needs_public("face_detector", "face_detector_far", "face_mesh")]
row = pytest.mark.row


def portrait(left: int = 110, top: int = 0, side: int = 260) -> bytes:
    """A woman's head and shoulders, from a photograph in the public domain; enlarged, or its skin is too few pixels."""
    part = Image.fromarray(skimage.data.astronaut()[top : top + side, left : left + side])
    return _jpeg(np.asarray(part.resize((3 * side, 3 * side), Image.Resampling.LANCZOS)))


def no_face() -> bytes:
    return _jpeg(skimage.data.coffee())


def _jpeg(pixels: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=94)
    return file.getvalue()


@pytest.fixture(scope="module")
def clinic(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str, server_folder: Path
) -> Iterator[Kennel]:
    servers = postgres, redis_server, template_database
    with open_kennel(
        servers,
        server_folder / "skincare",
        "skincare",
        SCANMILL_MODEL_PACKS="starter,public",
        SCANMILL_MODEL_MIRROR=MIRROR,
    ) as made:
        yield made


def shaped(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS | SKINCARE_SCHEMAS}}
    jsonschema.validate(answer.json(), schema)
    found: dict[str, Any] = answer.json()
    return found


def scanned(clinic: Kennel, picture: bytes) -> httpx.Response:
    """The three calls, to their end."""
    begun = shaped(clinic.http.post("/api/v1/scan/init"), 201, "SkincareScan")
    shaped(clinic.http.post(begun["upload_url"], files={"file": ("face.jpg", picture)}), 202, "SkincareScan")
    until(lambda: clinic.http.get(begun["results_url"]).status_code != 202, 60, clinic.stack.last_words)
    return clinic.http.get(begun["results_url"])


@pytest.fixture(scope="module")
def face(clinic: Kennel) -> dict[str, Any]:
    return shaped(scanned(clinic, portrait()), 200, "SkincareResults")


@row("S2.3", "S2.25", "S2.26", "S2.27", "S2.32")
def test_three_calls_and_none_of_them_waits(clinic: Kennel) -> None:
    begun = shaped(clinic.http.post("/api/v1/scan/init"), 201, "SkincareScan")
    assert begun["status"] == "awaiting_upload" and begun["scan_id"] in begun["upload_url"]
    assert shaped(clinic.http.get(begun["results_url"]), 202, "SkincareScan") == begun
    sent = clinic.http.post(begun["upload_url"], files={"file": ("face.jpg", portrait(100))})
    assert shaped(sent, 202, "SkincareScan")["status"] in ("queued", "running")
    again = clinic.http.post(
        begun["upload_url"], files={"file": ("face.jpg", portrait(100))}, headers={"Prefer": "wait=30"}
    )
    assert shaped(again, 200, "SkincareResults")["scan_id"] == begun["scan_id"]
    other = clinic.http.post(begun["upload_url"], files={"file": ("face.jpg", portrait(105))})
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert clinic.http.get(begun["results_url"]).json() == again.json()


@row("S2.2", "S2.5", "S2.6", "S2.9", "S2.10", "S2.16", "S2.17", "S2.19")
def test_every_field_of_the_seed(face: dict[str, Any]) -> None:
    assert face["status"] == "completed" and face["generated_at"]
    acne, condition = face["ml_analysis"]["acne"], face["ml_analysis"]["condition"]
    assert set(acne["probabilities"]) == {"no_acne", "acne"}
    assert set(condition["probabilities"]) == {"normal", "acne", "rosacea", "eczema", "pigmentation"}
    assert acne["label"] in {"no_acne", "acne", "uncertain"} and condition["condition"]
    for told in (acne, condition):
        assert sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert face["confidence"] == min(acne["confidence"], condition["confidence"])


@row("S2.11", "S2.17")
def test_both_networks_are_told_and_whether_they_disagree(face: dict[str, Any]) -> None:
    answers = face["ml_analysis"]["agreement"]["answers"]
    assert answers.keys() == {"classify_acne", "classify_condition"}
    said = [answer["says"] for answer in answers.values()]
    expected = None if None in said else said[0] != said[1]
    assert face["ml_analysis"]["disagreement"] is expected


def test_heat_is_told_by_region(face: dict[str, Any]) -> None:
    for network in ("acne", "condition"):
        heat = face["ml_analysis"][network]["regions"]
        assert {"forehead", "nose", "elsewhere"} <= heat.keys()
        for kind in ("share", "area"):
            assert sum(told[kind] for told in heat.values()) == pytest.approx(1, abs=1e-4)


@row("S2.12", "S2.18")
def test_measures_have_figures_and_the_region_they_are_of(face: dict[str, Any]) -> None:
    told = face["cv_analysis"]
    assert -90 <= told["skin_tone"]["ita"] <= 90 and told["skin_tone"]["region"] in {"left_cheek", "right_cheek"}
    assert 0 <= told["texture_quality"]["quality"] <= 1
    assert isinstance(told["wrinkles"]["detected"], bool) and told["wrinkles"]["density"] >= 0
    assert isinstance(told["dark_circles"]["detected"], bool) and told["dark_circles"]["severity"]
    assert told["skin_type"] is None


@row("S2.1", "S2.13", "S2.14", "S2.20")
def test_the_scan_shows_the_mesh_the_regions_and_the_models(clinic: Kennel, face: dict[str, Any]) -> None:
    scan = clinic.http.get(f"/v1/scans/{face['scan']}").json()
    assert len(scan["report"]["landmarks"]["points"]) == 468
    assert {"forehead", "left_cheek", "right_cheek", "nose", "chin"} <= scan["report"]["regions"]["regions"].keys()
    assert {stage["name"] for stage in scan["stages"]} == set(SKINCARE.by_name)
    read = scan["report"]["stages"]["classify_acne"]["models"]["skin_acne"]
    assert read["digest"] and not read.get("mock")


@row("S2.15", "S2.28")
def test_no_face_is_said_and_nothing_is_classified(clinic: Kennel) -> None:
    answer = scanned(clinic, no_face())
    assert (answer.status_code, answer.json()["code"]) == (422, "NO_FACE_DETECTED")
    assert "acne" not in answer.text
    scan = clinic.http.get(f"/v1/scans/{answer.json()['id']}").json()
    assert scan["status"] == "rejected"
    assert {stage["state"] for stage in scan["stages"] if stage["name"].startswith("classify")} == {"skipped"}


@row("S2.26", "S2.37")
def test_a_broken_picture_is_refused_and_its_id_can_be_used_again(clinic: Kennel) -> None:
    begun = clinic.http.post("/api/v1/scan/init").json()
    bad = clinic.http.post(begun["upload_url"], files={"file": ("x.jpg", b"no picture")})
    assert (bad.status_code, bad.json()["code"]) == (415, "UNSUPPORTED_FORMAT")
    assert clinic.http.get(begun["results_url"]).json()["status"] == "awaiting_upload"
    good = clinic.http.post(begun["upload_url"], files={"file": ("x.jpg", portrait(90))})
    assert good.status_code == 202


def test_an_id_that_nobody_was_given_and_a_call_without_a_key(clinic: Kennel) -> None:
    unknown = f"/api/v1/scan/{uuid4()}"
    assert clinic.http.get(f"{unknown}/results").status_code == 404
    assert clinic.http.post(f"{unknown}/upload", files={"file": ("x.jpg", portrait())}).status_code == 404
    assert httpx.post(f"{clinic.stack.url}/api/v1/scan/init").status_code == 401
    begun = clinic.http.post("/api/v1/scan/init").json()
    by_address = clinic.http.post(begun["upload_url"], json={"image_url": "https://example.org/face.jpg"})
    assert (by_address.status_code, by_address.json()["code"]) == (422, "INVALID_FIELD")


def test_a_cat_has_no_human_face(clinic: Kennel) -> None:
    assert scanned(clinic, photos.cat()).json()["code"] == "NO_FACE_DETECTED"


def test_regions_of_skin_are_cut_along_their_outline(clinic: Kennel, face: dict[str, Any]) -> None:
    found = clinic.http.get(f"/v1/scans/{face['scan']}/artifacts/crop_left_cheek", follow_redirects=True)
    pixels = np.asarray(Image.open(io.BytesIO(found.content)))
    assert pixels.shape[2] == 4 and set(np.unique(pixels[..., 3])) == {0, 255}
    for name in ("heatmap_acne", "heatmap_acne_regions", "heatmap_condition_regions", "preview"):
        assert clinic.http.get(f"/v1/scans/{face['scan']}/artifacts/{name}").status_code == 302


def test_a_batch_of_faces_needs_nothing_of_its_own(clinic: Kennel) -> None:
    lines = lived(clinic, "skincare", {"one.jpg": portrait(), "cup.jpg": no_face(), "torn.jpg": portrait()[:9000]})
    assert [(line["status"], line["code"]) for line in lines] == [
        ("succeeded", None), ("rejected", "NO_FACE_DETECTED"), ("rejected", "TRUNCATED_IMAGE"),
    ]  # fmt: skip
    assert lines[0]["report"]["findings"].keys() == {"acne", "condition"}
    assert lines[1]["report"] is None or "label" not in str(lines[1]["report"]["findings"])


# ------------------------------------------------------------------------------------------------------ from Python
@row("S2.7", "S2.8", "S2.11")
def test_python_says_what_the_service_says(clinic: Kennel, face: dict[str, Any]) -> None:
    told = analyze_face(portrait(), public_room("starter"))
    assert told == {key: face[key] for key in ("ml_analysis", "cv_analysis")}


@row("S2.34")
@pytest.mark.parametrize("missing", ["skin_acne.onnx", "skin_condition.onnx", "face_landmark.tflite"])
def test_a_missing_network_is_a_code_and_never_no_acne(tmp_path: Path, missing: str) -> None:
    for name in ("starter", "public"):
        (tmp_path / name).mkdir()
        for file in (PACKS_ROOT / name).iterdir():
            if file.is_file() and file.name != missing:
                (tmp_path / name / file.name).symlink_to(file)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for file in Path(MIRROR).iterdir():
        if file.is_file() and file.name != missing:
            (mirror / file.name).symlink_to(file)
    packs = [read_manifest(tmp_path / name / "manifest.toml", name) for name in ("starter", "public")]
    with pytest.raises(ModelUnavailable):
        analyze_face(portrait(), ModelRoom(packs, ModelSettings(mirror=str(mirror))))
