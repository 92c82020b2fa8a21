"""The cataract seed's contract by HTTP against real processes: one model, the other, the cascade, batches, what is no eye."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
import skimage.data
from PIL import Image

from api.cataract.schemas import CATARACT_SCHEMAS
from api.schemas import SCHEMAS
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.cataract_analysis import prediction
from pipeline.contracts import System
from pipeline.imaging.codec import encode_png
from pipeline.run import run_in_memory
from pipeline.systems import PIPELINES
from tests import photos
from tests.contracts.kennel import Kennel, open_kennel
from tests.golden.cases import starter_room
from tests.stack import until
from tests.unit.pipeline.drawn_eyes import drawn_eye

pytestmark = pytest.mark.timeout(300)
CATARACT = PIPELINES[System.CATARACT]


def eye(left: int, top: int, width: int, height: int) -> bytes:
    """An eye of a woman's photograph in the public domain, enlarged eight times."""
    part = Image.fromarray(skimage.data.astronaut()[top : top + height, left : left + width])
    return encode_png(np.asarray(part.resize((8 * width, 8 * height), Image.Resampling.LANCZOS)))


def sure_eye() -> bytes:
    """The fast model is sure of it: 0.0002."""
    return eye(185, 88, 40, 26)


def unsure_eye() -> bytes:
    """It is not of this drawn one: 0.91, and the strong one says 0.65."""
    return encode_png(drawn_eye(20).picture)


@pytest.fixture(scope="module")
def clinic(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str, server_folder: Path
) -> Iterator[Kennel]:
    servers = postgres, redis_server, template_database
    with open_kennel(servers, server_folder / "cataract", "cataract", SCANMILL_API_MAX_WAIT_S="60") as made:
        yield made


def shaped(answer: httpx.Response, name: str = "CataractPrediction", status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS | CATARACT_SCHEMAS}}
    jsonschema.validate(answer.json(), schema)
    found: dict[str, Any] = answer.json()
    return found


def asked(clinic: Kennel, path: str, picture: bytes, name: str = "image", **headers: str) -> httpx.Response:
    return clinic.http.post(path, files={name: ("eye.png", picture)}, headers=headers)


def alone(picture: bytes, **options: bool) -> dict[str, Any]:
    """The same without a service."""
    report = run_in_memory(CATARACT, picture, starter_room(), options)["build_report"].data["report"]
    return prediction(report)


def stages(clinic: Kennel, told: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {stage["name"]: (stage["state"], stage["code"]) for stage in clinic.scan(told)["stages"]}


@pytest.mark.row("S3.1", "S3.3", "S3.4", "S3.28", "S3.34")
def test_a_sure_answer_stands_and_the_strong_model_is_spared(clinic: Kennel) -> None:
    told = shaped(asked(clinic, "/predict_ensemble", sure_eye()))
    assert (told["prediction"], told["policy"], told["model_used"]) == ("normal", "cascade", "lgbm")
    assert (told["path"], told["spared"], told["not_asked"]) == (["lgbm"], ["clip"], {"clip": "NOT_NEEDED"})
    assert told["scores"]["lgbm"] < told["band"]["low"] and told["scores"]["clip"] is None
    assert stages(clinic, told)["classify_strong"] == ("skipped", "NOT_NEEDED")
    assert told["status"] == "succeeded" and told["stage_ms"].keys() == set(CATARACT.by_name)


@pytest.mark.row("S3.4", "S3.28")
def test_an_unsure_one_is_the_strong_model_s_with_its_map(clinic: Kennel) -> None:
    told = shaped(asked(clinic, "/predict_ensemble", unsure_eye()))
    assert (told["path"], told["model_used"], told["spared"]) == (["lgbm", "clip"], "clip", [])
    assert told["band"]["low"] <= told["scores"]["lgbm"] <= told["band"]["high"]
    assert told["probabilities"]["cataract"] == told["scores"]["clip"]
    assert told["models"].keys() == {"eye_gate", "eye_encoder", "cataract_fast", "cataract_strong"}
    for name in ("heatmap_strong", "preview"):
        found = clinic.http.get(f"/v1/scans/{told['scan_id']}/artifacts/{name}", follow_redirects=True)
        assert Image.open(io.BytesIO(found.content)).format == "JPEG"


@pytest.mark.row("S3.12", "S3.26", "S3.27")
@pytest.mark.parametrize("picture", [sure_eye(), unsure_eye()], ids=["sure", "unsure"])
@pytest.mark.parametrize(
    ("path", "options", "used", "off"),
    [
        ("/predict_lgbm", {"strong": False}, "lgbm", "clip"),
        ("/predict_clip", {"fast": False}, "clip", "lgbm"),
    ],
)
def test_one_model_alone_says_what_it_says_without_a_service(
    clinic: Kennel, picture: bytes, path: str, options: dict[str, bool], used: str, off: str
) -> None:
    told = shaped(asked(clinic, path, picture))
    assert (told["path"], told["model_used"], told["not_asked"]) == ([used], used, {off: "SWITCHED_OFF"})
    expected = alone(picture, **options)
    assert {key: told[key] for key in expected} == expected


@pytest.mark.row("S3.28")
def test_either_name_of_the_form_s_field_is_taken_and_no_other(clinic: Kennel) -> None:
    answers = [shaped(asked(clinic, "/predict_ensemble", sure_eye(), name)) for name in ("image", "file")]
    assert answers[0]["probabilities"] == answers[1]["probabilities"]
    refused = asked(clinic, "/predict_ensemble", sure_eye(), "picture")
    assert (refused.status_code, refused.json()["code"]) == (422, "INVALID_FIELD")


@pytest.mark.row("S3.2")
@pytest.mark.parametrize("path", ["/predict_lgbm", "/predict_clip", "/predict_ensemble"])
def test_what_is_no_eye_is_rejected_and_nothing_is_predicted(clinic: Kennel, path: str) -> None:
    answer = asked(clinic, path, photos.not_a_cat())
    assert (answer.status_code, answer.json()["code"]) == (422, "NOT_AN_EYE")
    assert "prediction" not in answer.json() and "normal" not in answer.text
    scan = clinic.http.get(f"/v1/scans/{answer.json()['id']}").json()
    ends = {stage["name"]: stage["state"] for stage in scan["stages"]}
    assert scan["status"] == "rejected" and scan["report"]["subject"]["label"] == "not_eye"
    assert {ends[name] for name in ("find_pupil", "embed_image", "choose_path", "classify_cataract")} == {"skipped"}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"no picture", 415, "UNSUPPORTED_FORMAT"), (sure_eye()[:3000], 422, "TRUNCATED_IMAGE")],
)
def test_a_bad_picture_is_a_problem_with_a_code(clinic: Kennel, content: bytes, status: int, code: str) -> None:
    answer = asked(clinic, "/predict_ensemble", content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.row("S3.22")
def test_who_does_not_wait_polls(clinic: Kennel) -> None:
    told = shaped(
        asked(clinic, "/predict_ensemble", eye(229, 90, 40, 26), Prefer="respond-async"), "CataractPending", 202
    )
    until(lambda: clinic.http.get(told["poll_url"]).status_code == 200, 30, clinic.stack.last_words)
    assert shaped(clinic.http.get(told["poll_url"]))["scan_id"] == told["scan_id"]


@pytest.mark.row("S3.29")
def test_many_at_once_are_one_batch_with_a_line_each(clinic: Kennel) -> None:
    pictures = {"a.png": sure_eye(), "b.png": unsure_eye(), "c.jpg": photos.not_a_cat(), "d.png": b"no picture"}
    sent = [("images", (name, content)) for name, content in pictures.items()]
    key = {"Idempotency-Key": "eyes"}
    begun = shaped(clinic.http.post("/predict_batch", files=sent, headers=key), "CataractBatch", 202)
    until(lambda: clinic.http.get(begun["poll_url"]).status_code == 200, 90, clinic.stack.last_words)
    told = shaped(clinic.http.get(begun["poll_url"]), "CataractBatch")
    assert [(line["filename"], line["status"], line["code"]) for line in told["results"]] == [
        ("a.png", "succeeded", None),
        ("b.png", "succeeded", None),
        ("c.jpg", "rejected", "NOT_AN_EYE"),
        ("d.png", "refused", "UNSUPPORTED_FORMAT"),
    ]
    assert [line["prediction"] for line in told["results"]] == [alone(sure_eye()), alone(unsure_eye()), None, None]
    assert clinic.http.get(f"/v1/batches/{told['batch_id']}").json()["counts"]["items"] == 4
    again = clinic.http.post("/predict_batch", files=sent, headers=key)
    assert again.json()["batch_id"] == told["batch_id"]
    other = clinic.http.post("/predict_batch", files=sent[:1], headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.row("S3.29")
def test_a_batch_needs_pictures(clinic: Kennel) -> None:
    assert clinic.http.post("/predict_batch", json={}).json()["code"] == "UNSUPPORTED_CONTENT_TYPE"
    many = [("images", (f"{n}.png", b"x")) for n in range(21)]
    assert clinic.http.post("/predict_batch", files=many).json()["code"] == "TOO_MANY_PARTS"


@pytest.mark.row("S3.33")
def test_the_system_says_its_policy_and_models(clinic: Kennel) -> None:
    told = shaped(clinic.http.get("/system_info"), "CataractSystem")
    assert (told["policy"]["policy"], told["policy"]["low"], told["policy"]["high"]) == ("cascade", 0.0392, 0.9608)
    assert told["models"].keys() == CATARACT.models
    assert told["scans"]["submitted"] == clinic.http.get("/v1/system").json()["scans"]["submitted"]


def test_nobody_gets_anything_without_a_key(clinic: Kennel) -> None:
    for path in ("/predict_lgbm", "/predict_clip", "/predict_ensemble", "/predict_batch"):
        assert httpx.post(f"{clinic.stack.url}{path}", files={"image": ("x.png", sure_eye())}).status_code == 401
    assert httpx.get(f"{clinic.stack.url}/system_info").status_code == 401


def test_the_house_s_own_way_gives_the_same_finding(clinic: Kennel) -> None:
    form = {"pipeline": "cataract"}
    scan = clinic.http.post(
        "/v1/scans", files={"file": ("eye.png", unsure_eye())}, data=form, headers={"Prefer": "wait=60"}
    ).json()
    assert prediction(scan["report"]) == alone(unsure_eye())
