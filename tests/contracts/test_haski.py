"""The skin and hair seed's contract, row by row: from Python, and by HTTP against real processes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import skimage.data
from PIL import Image

from api.haski.operations import HASKI_SCHEMAS
from api.schemas import SCHEMAS
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.analyze import analyze_image, analyze_image_local
from pipeline.contracts import System
from pipeline.errors import CorruptImage, EmptyFile, ModelUnavailable, TruncatedImage, UnsupportedFormat
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT
from tests.contracts.batch_life import lived
from tests.contracts.kennel import Kennel, open_kennel
from tests.golden.cases import starter_room
from tests.stack import until

pytestmark = pytest.mark.timeout(300)
row = pytest.mark.row

SKIN = ("normal", "dry", "oily", "combination", "sensitive")
HAIR = ("straight", "wavy", "curly", "coily")
CONDITIONS = ("healthy", "mild_acne", "severe_acne", "eczema", "psoriasis")


def face(form: str = "JPEG", size: tuple[int, int] | None = None) -> bytes:
    """A woman's head and shoulders, from a photograph in the public domain."""
    picture = Image.fromarray(skimage.data.astronaut()[:260, 110:370])
    file = io.BytesIO()
    (picture.resize(size) if size else picture).save(file, form)
    return file.getvalue()


@pytest.fixture(scope="module")
def salon(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str, server_folder: Path
) -> Iterator[Kennel]:
    servers = postgres, redis_server, template_database
    with open_kennel(
        servers, server_folder / "haski", "skin_hair", SCANMILL_API_MAX_WAIT_S="60", SCANMILL_SKIN_HAIR_DEBUG="true"
    ) as made:
        yield made


def shaped(answer: httpx.Response, name: str = "HaskiAnalysis") -> dict[str, Any]:
    assert answer.status_code == (202 if name == "HaskiPending" else 200), answer.text
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS | HASKI_SCHEMAS}}
    jsonschema.validate(answer.json(), schema)
    found: dict[str, Any] = answer.json()
    return found


# ------------------------------------------------------------------------------------------------------ from Python
@row("S1.3", "S1.5", "S1.6", "S1.7", "S1.8", "S1.10", "S1.44")
def test_bytes_are_analysed_into_json() -> None:
    told = analyze_image(face(), starter_room())
    assert json.loads(json.dumps(told)) == told
    assert told["skin_type"] in SKIN and told["hair_type"] in HAIR
    assert set(told["conditions_detected"]) <= set(CONDITIONS[1:]) and len(told["conditions_detected"]) <= 1
    assert told["confidence_scores"].keys() == {"skin_type", "hair_type", "condition"}
    assert all(0 < score <= 1 for score in told["confidence_scores"].values())


@row("S1.13", "S1.35")
def test_a_file_is_analysed_as_its_bytes_are_and_one_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(face())
    assert analyze_image_local(path, starter_room()) == analyze_image(face(), starter_room())
    with pytest.raises(FileNotFoundError):
        analyze_image_local(tmp_path / "nothing.jpg", starter_room())


@row("S1.15", "S1.16", "S1.17", "S1.27")
@pytest.mark.parametrize("name", ["skin_hair", "skin_hair_tflite", "skin_hair_int8"])
def test_fourteen_logits_are_shared_out_to_three_heads(name: str) -> None:
    entry = starter_room().entry(name)
    labels = entry.labels["logits"]
    heads = {head: tuple(labels[index] for index in at) for head, at in entry.groups.items()}
    assert heads == {"skin_type": SKIN, "hair_type": HAIR, "condition": CONDITIONS}
    assert {head: list(at) for head, at in entry.groups.items()} == {
        "skin_type": [0, 1, 2, 3, 4], "hair_type": [5, 6, 7, 8], "condition": [9, 10, 11, 12, 13],
    }  # fmt: skip


@row("S1.4", "S1.23")
@pytest.mark.parametrize("name", ["skin_hair", "skin_hair_tflite"])
def test_the_network_s_input_is_the_seed_s(name: str) -> None:
    spec = starter_room().entry(name).input
    assert (spec.size, spec.scale, spec.colour, spec.letterbox) == ((224, 224), 255.0, "RGB", None)
    assert list(spec.mean) == [0.485, 0.456, 0.406] and list(spec.std) == [0.229, 0.224, 0.225]


@row("S1.24")
def test_formats_that_keep_every_pixel_give_equal_answers() -> None:
    room = starter_room()
    told = [analyze_image(face(form), room) for form in ("PNG", "BMP")]
    assert told[0] == told[1]
    for form in ("JPEG", "WEBP"):
        near = analyze_image(face(form), room)["confidence_scores"]
        assert near == pytest.approx(told[0]["confidence_scores"], abs=0.15)


@row("S1.25")
def test_a_small_picture_is_enlarged() -> None:
    assert analyze_image(face(size=(64, 64)), starter_room())["skin_type"] in SKIN


@row("S1.36", "S1.48")
@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyFile),
        (b"no picture at all", UnsupportedFormat),
        (face()[:4000], TruncatedImage),
        (face("PNG")[:64] + bytes(4000), (CorruptImage, TruncatedImage)),
    ],
)
def test_what_is_no_picture_is_an_error_and_never_an_answer(content: bytes, error: Any) -> None:
    with pytest.raises(error):
        analyze_image(content, starter_room())


@row("S1.2", "S1.12", "S1.18", "S1.19", "S1.37", "S1.49")
def test_tflite_answers_and_onnx_where_it_cannot(tmp_path: Path) -> None:
    first = analyze_image(face(), starter_room())
    assert (first["model_type"], first["warnings"]) == ("tflite", [])
    second = analyze_image(face(), without(tmp_path, "skin_hair_float32.tflite"))
    assert second["model_type"] == "onnx"
    assert [warning["code"] for warning in second["warnings"]] == ["FALLBACK_MODEL"]
    assert second["confidence_scores"] == pytest.approx(first["confidence_scores"], abs=0.01)


@row("S1.1", "S1.34", "S1.38", "S1.46")
def test_without_a_network_there_is_a_code_and_no_made_up_answer(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        analyze_image(face(), without(tmp_path, "skin_hair_float32.tflite", "skin_hair.onnx"))


def without(folder: Path, *names: str) -> ModelRoom:
    """The starter pack, but for these files."""
    for file in (PACKS_ROOT / "starter").iterdir():
        if file.is_file() and file.name not in names:
            (folder / file.name).symlink_to(file)
    return ModelRoom([read_manifest(folder / "manifest.toml", "starter")])


# ---------------------------------------------------------------------------------------------------------- by HTTP
@row("S1.14", "S1.11", "S1.31")
def test_an_upload_is_answered_as_python_answers(salon: Kennel) -> None:
    told = shaped(salon.ask("/api/v1/analyze", face()))
    plain = analyze_image(face(), starter_room())
    assert {key: told[key] for key in plain} == plain
    assert told["model_version"] == told["model"]["version"] == "1.0.0"
    assert salon.scan(told)["system"] == System.SKIN_HAIR


@row("S1.9", "S1.26", "S1.28")
def test_every_head_has_its_own_softmax_and_its_likeliest_class(salon: Kennel) -> None:
    told = shaped(salon.ask("/api/v1/analyze", face()))
    findings = salon.scan(told)["report"]["findings"]
    for head, found in findings.items():
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert max(found["probabilities"], key=found["probabilities"].get) == found["likeliest"]
        assert told["confidence_scores"][head] == found["probabilities"][found["likeliest"]]
        assert (head in told["needs_review"]) is (found["confidence"] < found["threshold"])
    likeliest = findings["condition"]["likeliest"]
    assert told["conditions_detected"] == ([] if likeliest == "healthy" else [likeliest])


@row("S1.14")
def test_who_does_not_wait_polls(salon: Kennel) -> None:
    picture = face(size=(300, 300))
    told = shaped(salon.ask("/api/v1/analyze", picture, prefer="respond-async"), "HaskiPending")
    until(lambda: salon.http.get(told["poll_url"]).status_code == 200, 60)
    assert shaped(salon.http.get(told["poll_url"]))["scan_id"] == told["scan_id"]


@row("S1.3", "S1.24", "S1.25")
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"GIF89a no picture", 415, "UNSUPPORTED_FORMAT"),
        (face(size=(20, 20)), 422, "IMAGE_TOO_SMALL"),
        (face()[:4000], 422, "TRUNCATED_IMAGE"),
    ],
)
def test_a_bad_picture_is_a_problem_with_a_code(salon: Kennel, content: bytes, status: int, code: str) -> None:
    answer = salon.ask("/api/v1/analyze", content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not {"skin_type", "model_type"} & answer.json().keys()


@row("S1.3", "S1.6")
def test_a_path_is_no_picture(salon: Kennel) -> None:
    for body in ({"file": "/etc/passwd"}, {"image_url": "file:///etc/passwd"}, {"object_key": "../../etc/passwd"}):
        answer = salon.http.post("/api/v1/analyze", json=body)
        assert answer.status_code in (400, 422) and "root:" not in answer.text


@row("S1.33")
def test_what_the_network_was_given_can_be_kept_with_the_scan(salon: Kennel) -> None:
    told = shaped(salon.ask("/api/v1/analyze", face()))
    answer = salon.http.get(f"/v1/scans/{told['scan_id']}/artifacts/debug", follow_redirects=True)
    kept = json.loads(answer.content)
    assert kept["answer"]["answered_by"] == "skin_hair_tflite" and kept["input"]["shape"] == [224, 224, 3]


@row("S1.32")
def test_the_worker_logs_each_stage_as_json(salon: Kennel) -> None:
    told = shaped(salon.ask("/api/v1/analyze", face(size=(280, 280))))
    lines = salon.stack.log("worker").read_text().splitlines()
    logged = [json.loads(line) for line in lines if told["scan_id"] in line]
    assert {"classify_heads", "build_report"} <= {line.get("stage") for line in logged}


@row("S1.51")
def test_a_batch_of_them_needs_nothing_of_its_own(salon: Kennel) -> None:
    lines = lived(salon, "skin_hair", {"0.jpg": face(), "1.jpg": face(size=(250, 250)), "2.jpg": face()[:4000]})
    assert [(line["status"], line["code"]) for line in lines] == [
        ("succeeded", None), ("succeeded", None), ("rejected", "TRUNCATED_IMAGE"),
    ]  # fmt: skip
    assert lines[0]["report"]["findings"].keys() == {"skin_type", "hair_type", "condition"}
