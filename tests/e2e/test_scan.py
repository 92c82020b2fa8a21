"""A photograph goes through the whole house over HTTP, and again for nothing."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from cli.client import Client
from pipeline.systems.cat_face import CAT_FACE
from tests import photos
from tests.servers.house import Guest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def client(guest: Guest) -> Iterator[Client]:
    with guest.client() as client:
        yield client


def test_a_cat_is_scanned_and_every_file_it_names_is_there(client: Client) -> None:
    scan = client.wait(client.submit(photos.cat(), filename="chelsea.jpg").id, timeout_s=120)
    assert scan.status in {"succeeded", "partial"}
    assert {"left_eye", "right_eye", "mouth"} <= {region for region, found in scan.findings.items() if "label" in found}
    assert {"original", "canonical", "cutout", "face", "crop_left_eye", "heatmap_left_eye", "preview"} <= {
        artifact.name for artifact in scan.artifacts
    }
    for artifact in scan.artifacts:
        content = client.download(scan.id, artifact)
        assert hashlib.sha256(content).hexdigest() == artifact.sha256
        Image.open(io.BytesIO(content)).verify()


def test_every_stage_tells_how_it_ended_in_order(client: Client) -> None:
    scan = client.submit(photos.not_a_cat(), filename="astronaut.jpg")
    told = [event.data for event in client.events(scan.id)]
    assert told[0]["status"] == "queued" and told[-1]["status"] == "rejected"
    ended = [data["stage"] for data in told if "stage" in data]
    assert sorted(ended) == sorted(stage.name for stage in CAT_FACE.stages)
    assert ended.index("decode_image") < ended.index("validate_subject") < ended.index("build_report")
    assert (client.get(scan.id).status, client.get(scan.id).code) == ("rejected", "NOT_A_CAT")


def test_the_same_picture_again_runs_no_stage(client: Client) -> None:
    first = client.wait(client.submit(photos.cat(), filename="a.jpg").id, timeout_s=120)
    again = client.wait(client.submit(photos.cat(), filename="b.jpg").id, timeout_s=120)
    assert again.id != first.id and again.report == first.report
    assert all(stage.reused and stage.attempts == 0 for stage in again.stages)


def test_an_option_changes_only_what_depends_on_it(client: Client) -> None:
    client.wait(client.submit(photos.cat(), filename="a.jpg").id, timeout_s=120)
    plain = client.wait(
        client.submit(photos.cat(), filename="a.jpg", options={"generate_gradcam": False}).id, timeout_s=120
    )
    states = {stage.name: stage for stage in plain.stages}
    assert (states["explain_findings"].state, states["explain_findings"].code) == ("skipped", "SWITCHED_OFF")
    # The contact sheet shows the maps, so it is drawn anew.
    assert {name for name, stage in states.items() if stage.attempts} == {"render_preview", "build_report"}
    assert not [artifact for artifact in plain.artifacts if artifact.name.startswith("heatmap")]


def test_what_is_no_picture_is_refused_with_its_code(guest: Guest) -> None:
    answer = httpx.post(
        f"{guest.url}/v1/scans",
        headers={"Authorization": f"Bearer {guest.key}"},
        files={"file": ("cat.jpg", b"this is text", "image/jpeg")},
        timeout=30,
    )
    assert answer.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE
    assert (answer.json()["code"], answer.json()["id"]) == ("UNSUPPORTED_FORMAT", None)
