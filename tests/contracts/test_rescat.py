"""The cat seed's contract by HTTP, row by row, against real processes: API, control, one worker, real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.openapi import document
from api.operations import OPERATIONS
from api.rescat.schemas import RESCAT_SCHEMAS
from api.rescat.words import AREAS, BUCKETS, CODES
from api.schemas import SCHEMAS
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.stages.build_report import FORMULA
from pipeline.systems.cat_face import CAT_FACE
from tests import photos
from tests.contracts.kennel import (
    CALLS,
    Kennel,
    internal_host,
    open_kennel,
    without_a_face,
    without_landmarks,
)
from tests.stack import until

pytestmark = pytest.mark.timeout(300)
row = pytest.mark.row


@pytest.fixture(scope="module")
def kennel(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str, server_folder: Path
) -> Iterator[Kennel]:
    servers = postgres, redis_server, template_database
    pictures = {"/cat.jpg": photos.cat(), "/page.html": b"<html>no picture</html>"}
    with (
        internal_host(pictures) as internal,
        open_kennel(
            servers,
            server_folder / "rescat",
            "cat_face",
            internal,
            SCANMILL_URL_ALLOW=internal,
            SCANMILL_API_MAX_WAIT_S="60",
        ) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def cat(kennel: Kennel) -> dict[str, Any]:
    """Everything about a cat whose ears leave the picture."""
    return shaped(kennel.ask("/api/predict", photos.cat()), "RescatPredicted")


def shaped(answer: httpx.Response, name: str) -> dict[str, Any]:
    """A good answer's body, once it has the declared shape."""
    assert answer.status_code == (202 if name == "RescatPending" else 200), answer.text
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS | RESCAT_SCHEMAS}}
    jsonschema.validate(answer.json(), schema)
    body: dict[str, Any] = answer.json()
    return body


def fetched(kennel: Kennel, url: str) -> bytes:
    """What a signed link gives to somebody without a key."""
    answer = httpx.get(url, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.content


# ------------------------------------------------------------------------------------------------------- the calls
@row("S0.30", "S3.25", "S4.5")
def test_health(kennel: Kennel) -> None:
    until(lambda: kennel.http.get("/health").json()["models_loaded"] is True, 60)
    told = kennel.http.get("/health").json()
    assert told.keys() == {"status", "version", "models_loaded"}
    assert told["status"] == "healthy" and told["version"][0].isdigit()


@row("S0.4", "S0.5", "S0.6", "S0.31")
def test_a_cat_is_validated_with_two_probabilities(kennel: Kennel) -> None:
    told = shaped(kennel.ask("/api/validate", photos.cat()), "RescatValidated")
    assert (told["is_cat"], told["message"], told["threshold"]) == (True, "Image validated as cat", 0.7)
    assert told["confidence"] >= 0.7
    assert isinstance(told["breed"], str) and 0 < told["breed_confidence"] < told["confidence"]
    states = {stage["name"]: stage["code"] for stage in kennel.scan(told)["stages"]}
    assert (states["remove_background"], states["detect_face"]) == ("SWITCHED_OFF", "SWITCHED_OFF")


@row("S0.32")
def test_what_is_no_cat_is_an_answer_without_a_breed(kennel: Kennel) -> None:
    told = shaped(kennel.ask("/api/validate", photos.not_a_cat()), "RescatValidated")
    assert (told["is_cat"], told["message"]) == (False, "Image does not appear to be a cat")
    assert told["confidence"] < told["threshold"] and "breed" not in told


@row("S0.8", "S0.33")
def test_a_face_is_detected_with_or_without_its_crop(kennel: Kennel) -> None:
    told = shaped(kennel.ask("/api/detect-face", photos.cat(), return_crop=True), "RescatDetected")
    x, y, width, height = told["detection"]["bbox"]
    assert 0 <= x < x + width <= told["image"]["width"] and 0 <= y < y + height <= told["image"]["height"]
    assert told["detection"]["class"] == "cat_face" and told["processing_time"] >= 0
    assert fetched(kennel, told["crop_url"]).startswith(b"\x89PNG")
    assert kennel.ask("/api/detect-face", photos.cat(), return_crop=False).json()["crop_url"] is None
    assert {s["name"] for s in kennel.scan(told)["stages"] if s["code"] == "SWITCHED_OFF"} == {"detect_landmarks"}


@row("S0.2", "S0.14", "S0.21", "S0.23", "S0.25", "S0.27", "S0.35")
def test_a_prediction_has_every_field_of_the_seed(cat: dict[str, Any]) -> None:
    assert set(cat) >= {
        "success", "original_url", "nobg_url", "face_detection", "landmarks", "classifications", "preview_url",
        "health_score", "processing_time",
    }  # fmt: skip
    assert set(cat["face_detection"]) >= {"bbox", "confidence", "url"}
    assert set(cat["classifications"]) == set(AREAS) <= set(cat["landmarks"])
    eye = cat["classifications"]["left_eye"]
    assert eye["class"] in {"normal", "abnormal", "uncertain"}
    assert sum(eye["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert eye["confidence"] == max(eye["probabilities"].values())


@row("S0.11", "S0.12", "S0.20")
def test_landmarks_are_told_in_both_spaces(kennel: Kennel, cat: dict[str, Any]) -> None:
    inside, whole = cat["landmarks"], cat["landmarks_in_image"]
    assert set(inside) == set(whole) == {*AREAS, "nose"}
    report = kennel.scan(cat)["report"]
    corner = [max(0, report["face"]["crop"][side]) for side in ("x", "y")]
    assert corner[0] > 0, "a crop in the picture's corner would show nothing"
    for name, point in inside.items():
        assert [at + moved for at, moved in zip(point, corner, strict=True)] == pytest.approx(whole[name], abs=1e-5)
        assert whole[name] == [report["landmarks"]["points"][name][side] for side in ("x", "y")]
    assert 0 <= cat["landmarks_confidence"] <= 1


@row("S0.34", "S0.18", "S0.40")
@pytest.mark.parametrize("remove_bg", [True, False])
@pytest.mark.parametrize("generate_gradcam", [True, False])
def test_switches_of_a_request(kennel: Kennel, remove_bg: bool, generate_gradcam: bool) -> None:
    given = {"remove_bg": remove_bg, "generate_gradcam": generate_gradcam}
    told = shaped(kennel.ask("/api/predict", photos.cat(), **given), "RescatPredicted")
    assert (told["nobg_url"] is not None, "remove-bg" in told["files"]) == (remove_bg, remove_bg)
    eye = told["classifications"]["left_eye"]
    assert (eye["gradcam_url"] is not None, "result" in told["files"]) == (generate_gradcam, generate_gradcam)
    assert kennel.scan(told)["options"] == {name: False for name, wanted in given.items() if not wanted}


@row("S0.19")
def test_the_face_is_looked_for_on_the_cutout_and_it_is_said_where_it_was_found(
    kennel: Kennel, cat: dict[str, Any]
) -> None:
    assert cat["face_detection"]["detected_on"] == "cutout"
    plain = kennel.ask("/api/predict", photos.cat(), remove_bg=False).json()
    assert plain["face_detection"]["detected_on"] == "original"


@row("S0.28")
def test_the_health_score_follows_from_what_stands_beside_it(cat: dict[str, Any]) -> None:
    formula = cat["health_score_formula"]
    inputs = formula["inputs"]
    assert {name: value for name, value in formula.items() if name in FORMULA} == FORMULA
    assert inputs == {a: f["probabilities"]["normal"] for a, f in cat["classifications"].items() if f["class"]}
    assert cat["health_score"] == round(100 * sum(inputs.values()) / len(inputs), 1)


@row("S0.22", "S0.24", "S0.26", "S0.29")
def test_buckets_are_names_for_private_files(kennel: Kennel, cat: dict[str, Any]) -> None:
    files = cat["files"]
    answered = [area for area, found in cat["classifications"].items() if found["class"]]
    crops = {f"{area}_crop" for area in answered}
    assert set(files) == {"original-photo", "remove-bg", "roi-face-cat", "result", "preview-bounding-box"} | crops
    assert set(files) <= set(BUCKETS) and len(files["result"]) == len(answered)
    for address in (each for bucket in files.values() for each in bucket):
        assert httpx.get(f"{kennel.stack.url}{httpx.URL(address).path}").status_code == 401
        moved = kennel.http.get(httpx.URL(address).path)
        assert moved.status_code == 302 and "signature=" in moved.headers["Location"]
    assert fetched(kennel, cat["original_url"]) == photos.cat()
    eye = cat["classifications"]["left_eye"]
    assert (
        fetched(kennel, eye["crop_url"]) and fetched(kennel, eye["gradcam_url"]) and fetched(kennel, cat["preview_url"])
    )
    unsigned = cat["original_url"].partition("?")[0]
    assert httpx.get(unsigned).status_code == 404
    for wrong in (f"original-photo/{cat['scan_id']}-mouth", f"result/{cat['scan_id']}", f"result/{cat['scan_id']}left_eye",
                  f"nowhere/{cat['scan_id']}", "result/x"):  # fmt: skip
        assert kennel.http.get(f"/files/{wrong}").status_code == 404


# ------------------------------------------------------------------------------- the picture's way in, and who may
@row("S0.16")
def test_a_picture_at_an_allowed_internal_host_is_fetched(kennel: Kennel) -> None:
    told = kennel.ask("/api/validate", f"http://{kennel.internal}/cat.jpg").json()
    assert told["is_cat"] is True


@row("S0.1")
@pytest.mark.parametrize("path", CALLS)
def test_a_key_is_needed(kennel: Kennel, path: str) -> None:
    answer = httpx.post(f"{kennel.stack.url}{path}", json={"image_url": "https://example.org/cat.jpg"})
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("path", "fields", "wrong"),
    [
        ("/api/predict", {"remove_bg": "yes"}, "remove_bg"),
        ("/api/predict", {"generate_gradcam": 1}, "generate_gradcam"),
        ("/api/predict", {"pipeline": "cat_face"}, "pipeline"),
        ("/api/validate", {"remove_bg": True}, "remove_bg"),
        ("/api/detect-face", {"return_crop": None}, "return_crop"),
    ],
)
def test_a_field_that_is_none_of_the_call_s_is_refused(
    kennel: Kennel, path: str, fields: dict[str, Any], wrong: str
) -> None:
    answer = kennel.ask(path, f"http://{kennel.internal}/cat.jpg", **fields)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, wrong)
    assert (answer.json()["success"], answer.json()["error"]) == (False, "INVALID_FIELD")


# --------------------------------------------------------------------------------- waiting, reuse, the same queue
@pytest.mark.parametrize("prefer", ["respond-async", "wait=0"])
def test_who_does_not_wait_polls_for_the_same_answer(kennel: Kennel, prefer: str) -> None:
    pending = kennel.ask("/api/detect-face", without_landmarks() + prefer.encode(), prefer=prefer)
    where = shaped(pending, "RescatPending")["poll_url"]
    assert where == kennel.stack.url + pending.headers["Location"]
    until(lambda: kennel.http.get(where).status_code == 200, 60, kennel.stack.last_words)
    assert shaped(kennel.http.get(where), "RescatDetected")["success"] is True


def test_the_same_key_never_makes_a_second_scan(kennel: Kennel) -> None:
    first, again = (
        kennel.http.post("/api/validate", files={"file": ("a.jpg", photos.cat())}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    )
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"


@row("S0.41", "S0.42")
def test_a_prediction_takes_what_validation_and_detection_found(kennel: Kennel) -> None:
    picture = photos.cat() + b"a comment behind the picture"
    for path in CALLS[:2]:
        assert kennel.ask(path, picture).status_code == 200
    stages = {each["name"]: each for each in kennel.scan(kennel.ask("/api/predict", picture).json())["stages"]}
    reused = {name for name, each in stages.items() if each["reused"] and each["attempts"] == 0}
    assert reused >= {"fetch_input", "decode_image", "validate_subject", "remove_background", "detect_face"}
    again = kennel.scan(kennel.ask("/api/predict", picture).json())
    assert all(each["reused"] for each in again["stages"])


# ------------------------------------------------------------------------------------------------- the seven codes
@row("S0.17", "S0.36", "S0.78")
def test_not_a_cat(kennel: Kennel) -> None:
    told = shaped(kennel.ask("/api/predict", photos.not_a_cat()), "RescatFailure")
    assert (told["error"], told["status"]) == ("NOT_A_CAT", "rejected")
    assert 0 <= told["confidence"] < 0.7
    ran = {each["name"] for each in kennel.scan(told)["stages"] if each["state"] in {"ok", "rejected"}}
    assert ran == {"fetch_input", "decode_image", "validate_subject", "build_report"}


@row("S0.79")
@pytest.mark.parametrize("path", CALLS[1:])
def test_no_face_detected(kennel: Kennel, path: str) -> None:
    told = shaped(kennel.ask(path, without_a_face()), "RescatFailure")
    assert (told["error"], told["status"]) == ("NO_FACE_DETECTED", "rejected")


@row("S0.80")
def test_landmark_detection_failed(kennel: Kennel) -> None:
    told = shaped(kennel.ask("/api/predict", without_landmarks()), "RescatFailure")
    assert (told["error"], told["status"]) == ("LANDMARK_DETECTION_FAILED", "partial")


@row("S0.81")
def test_classification_error_of_an_area_that_leaves_the_picture(cat: dict[str, Any]) -> None:
    assert cat["status"] == "partial"
    ear = cat["classifications"]["left_ear"]
    assert (ear["class"], ear["error"], ear["code"]) == (None, "CLASSIFICATION_ERROR", "REGION_OUTSIDE_IMAGE")
    assert ear["crop_url"] is None and ear["probabilities"] is None


@row("S0.83")
def test_invalid_image_url(kennel: Kennel) -> None:
    for url in ("http://169.254.169.254/latest", "http://127.0.0.1:1/cat.jpg", "file:///etc/passwd", "cat.jpg"):
        refused = kennel.ask("/api/predict", url)
        assert (refused.status_code, refused.json()["error"]) == (400, "INVALID_IMAGE_URL"), refused.text
        assert refused.headers["Content-Type"] == "application/problem+json"
    absent = shaped(kennel.ask("/api/predict", f"http://{kennel.internal}/none.jpg"), "RescatFailure")
    assert (absent["error"], absent["code"]) == ("INVALID_IMAGE_URL", "URL_HTTP_STATUS")
    page = shaped(kennel.ask("/api/predict", f"http://{kennel.internal}/page.html"), "RescatFailure")
    assert (page["error"], page["status"]) == ("UNSUPPORTED_FORMAT", "rejected")


def test_the_table_has_the_seeds_seven_codes_and_each_of_ours_once() -> None:
    assert set(CODES) == {
        "NOT_A_CAT", "NO_FACE_DETECTED", "LANDMARK_DETECTION_FAILED", "CLASSIFICATION_ERROR", "STORAGE_ERROR",
        "INVALID_IMAGE_URL", "MODEL_LOAD_ERROR",
    }  # fmt: skip
    ours = [error for errors in CODES.values() for error in errors]
    assert len(ours) == len(set(ours))


def test_the_words_are_the_systems() -> None:
    regions = {getattr(stage, "region", None) for stage in CAT_FACE.stages} - {None}
    assert regions == set(AREAS)


# ------------------------------------------------------------------------------------------------ figures and logs
@row("S0.86", "S0.87", "S3.45", "S4.51")
def test_figures(kennel: Kennel, cat: dict[str, Any]) -> None:
    api = samples(kennel.stack.url)
    assert api["predictions_total", frozenset({"partial"})] >= 1
    assert api["prediction_duration_seconds_count", frozenset({"cat_face"})] >= 1
    workers = samples(f"http://127.0.0.1:{kennel.stack.environment['SCANMILL_WORKER_METRICS_PORT']}")
    assert workers["scanmill_stage_runs_total", frozenset({"detect_face", "ok", ""})] >= 1
    assert workers["scanmill_stage_seconds_count", frozenset({"classify_mouth"})] >= 1
    assert workers["scanmill_micro_batch_size_count", frozenset({"validate_subject"})] >= 1


def samples(url: str) -> dict[tuple[str, frozenset[str]], float]:
    """Value by name and the words of its labels."""
    text = httpx.get(f"{url}/metrics", timeout=20).text
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@row("S0.85", "S3.45", "S4.50", "S4.51")
def test_logs_are_json_with_scan_stage_and_attempt(kennel: Kennel, cat: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in kennel.stack.log("worker").read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line.get("scan") == cat["scan_id"]]
    assert {line["stage"] for line in told} >= {"classify_left_ear", "build_report"}
    assert {line["attempt"] for line in told} == {1} and {line["level"] for line in told} == {"INFO"}
    asked = [json.loads(line) for line in kennel.stack.log("api").read_text().splitlines() if line.startswith("{")]
    assert any(line.get("scan_id") == cat["scan_id"] and line["route"] == "/api/predict" for line in asked)


@row("S0.88")
def test_the_reference_describes_every_call() -> None:
    paths = document(OPERATIONS, "1")["paths"]
    for path in CALLS:
        described = paths[path]["post"]
        assert described["description"] and set(described["requestBody"]["content"]) == {
            "multipart/form-data", "application/json",
        }  # fmt: skip
        assert {"200", "202", "400", "401", "503"} <= set(described["responses"])


# ----------------------------------------------------------------------- what an installation sets, to the very end
@pytest.fixture
def strict(kennel: Kennel) -> Iterator[None]:
    """A control with other settings publishes another version; the usual one comes back afterwards."""
    usual = version(kennel)
    kennel.stack.kill("control")
    kennel.stack.start("control:strict", CLASSIFICATION_THRESHOLD="0.99", ENABLE_GRADCAM="false")
    until(lambda: version(kennel) != usual, 60, kennel.stack.last_words)
    yield
    kennel.stack.kill("control:strict")
    kennel.stack.start("control")
    until(lambda: version(kennel) == usual, 60, kennel.stack.last_words)


def version(kennel: Kennel) -> str:
    """The pipeline version that new scans get."""
    found = kennel.http.get("/v1/pipelines").json()["items"]
    [pipeline] = [each for each in found if each["system"] == CAT_FACE.system]
    return str(pipeline["version"])


@row("S0.56", "S0.58")
@pytest.mark.usefixtures("strict")
def test_thresholds_and_switches_of_the_installation(kennel: Kennel) -> None:
    told = shaped(kennel.ask("/api/predict", photos.cat(), generate_gradcam=True), "RescatPredicted")
    answered = {area: found for area, found in told["classifications"].items() if found["class"]}
    assert {found["class"] for found in answered.values()} == {"uncertain"}
    assert told["needs_review"] == [area for area in AREAS if area in answered]
    assert all(found["gradcam_url"] is None and found["needs_review"] for found in answered.values())
    assert told["health_score"] is not None
    stages = {each["name"]: each["reused"] for each in kennel.scan(told)["stages"]}
    assert stages["detect_landmarks"] and not stages["classify_mouth"] and "explain_findings" not in stages
