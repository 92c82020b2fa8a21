"""The thermal seed's contract by HTTP against real processes, with a memory made by the commands of docs/thermal.md.

What is odd in the pictures, and where, is known: they are made up (``tests/thermograms.py``).
"""

from __future__ import annotations

import io
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import jsonschema
import numpy as np
import pytest
import skimage.data
from PIL import Image
from standardwebhooks.webhooks import WebhookVerificationError

from api.flarenet.operations import FLARENET_SCHEMAS
from api.schemas import SCHEMAS
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.compare import iou
from pipeline.contracts import System
from pipeline.imaging.codec import encode_png
from tests import flir_files, thermal_pack
from tests.contracts import samples
from tests.contracts.kennel import Kennel, open_kennel
from tests.servers.receiver import receiving
from tests.stack import free_port, until
from tests.thermograms import thermogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.timeout(300)
row = pytest.mark.row

DETECT, BATCH, INFO = "/api/v1/detect-anomaly", "/api/v1/batch-detect", "/api/v1/model-info"
PAGE = "https://grid.example.com"
HOOK = free_port()
UNSEEN = 2000
"""Numbers of pictures from here on are in no memory."""


def mirrored(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bushings below: another type of equipment."""
    return np.ascontiguousarray(pixels[::-1])


@pytest.fixture(scope="module")
def pack(server_folder: Path) -> Path:
    return thermal_pack.made(server_folder / "memory", {"hanging": mirrored})


@pytest.fixture(scope="module")
def substation(
    pack: Path, postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str, server_folder: Path
) -> Iterator[Kennel]:
    servers = postgres, redis_server, template_database
    with open_kennel(
        servers,
        server_folder / "flarenet",
        "thermal",
        SCANMILL_API_MAX_WAIT_S="60",
        SCANMILL_API_CORS_ORIGINS=f"{PAGE},http://localhost:3000",
        SCANMILL_MODEL_PACKS=f"{pack},starter",
        SCANMILL_WEBHOOK_ALLOW=f"127.0.0.1:{HOOK}",
        SCANMILL_THERMAL_ASSET_TYPES='["hanging"]',
    ) as made:
        yield made


def shaped(answer: httpx.Response, name: str = "FlarenetAnomaly", status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS | FLARENET_SCHEMAS}}
    jsonschema.validate(answer.json(), schema)
    found: dict[str, Any] = answer.json()
    return found


def detected(substation: Kennel, number: int, *, hot: bool = False, **fields: Any) -> dict[str, Any]:
    return shaped(substation.ask(DETECT, thermogram(UNSEEN + number, hot=hot).png, **fields))


def rows_of(box: tuple[float, float, float, float]) -> dict[str, float]:
    return dict(zip(("x", "y", "width", "height"), box, strict=True))


# -------------------------------------------------------------------------------------------------- what is found
@row("S4.1", "S4.3", "S4.8", "S4.11", "S4.22")
@pytest.mark.parametrize("number", range(4))
def test_a_planted_hot_spot_is_found_where_it_is(substation: Kennel, number: int) -> None:
    told = detected(substation, number, hot=True)
    assert (told["classification"], told["is_anomalous"], told["confidence"]) == ("Faulty", True, "High")
    [box] = told["bounding_boxes"]
    assert box["type"] == "Critical" and box["confidence"] > 0.9
    spot = thermogram(UNSEEN + number, hot=True).spot
    assert spot is not None and iou(box, rows_of(spot)) > 0.5


@row("S4.8", "S4.19")
def test_normal_pictures_that_it_never_saw_are_normal(substation: Kennel) -> None:
    """Of twelve two may be above the limit, which by its definition one in twenty is: the next test counts."""
    told = [detected(substation, number) for number in range(12)]
    assert sum(each["is_anomalous"] for each in told) <= 2
    assert sum(each["classification"] == "Normal" for each in told) >= 9
    assert all(each["bounding_boxes"] == [] for each in told if each["classification"] == "Normal")


@row("S4.7")
def test_one_in_twenty_normal_pictures_is_above_the_limit_as_the_scale_says(pack: Path) -> None:
    model = thermal_pack.room(pack).load("thermal_patchcore")
    scale = model.scale("score")  # type: ignore[attr-defined]  # of its family
    answers = model.predict([thermogram(number).pixels for number in range(1000, 1200)])
    scores = [scale.share(answer.score) for answer in answers]
    assert 0.01 <= np.mean(np.array(scores) >= 0.5) <= 0.12
    assert np.mean(np.array(scores) < 0.3) >= 0.8


@row("S4.6", "S4.7", "S4.10")
def test_the_threshold_is_the_caller_s_and_bands_are_not(substation: Kennel) -> None:
    plain = detected(substation, 20)
    score = plain["anomaly_score"]
    assert 0 < score < 0.5 and plain["threshold"] == 0.5
    low = detected(substation, 20, threshold=score)
    assert low["is_anomalous"] and low["classification"] == plain["classification"]
    assert not detected(substation, 20, threshold=score + 0.001)["is_anomalous"]


def test_a_type_of_equipment_is_compared_with_its_own_memory(substation: Kennel) -> None:
    """The same bytes, asked one after the other: neither answer is taken for the other."""
    picture = encode_png(mirrored(thermogram(UNSEEN + 40).pixels))
    strange, known = (shaped(substation.ask(DETECT, picture, **asked)) for asked in ({}, {"asset_type": "hanging"}))
    assert (strange["classification"], known["classification"]) == ("Faulty", "Normal")
    assert (strange["asset_type"], known["asset_type"]) == (None, "hanging")
    assert [each["model"]["name"] for each in (strange, known)] == ["thermal_patchcore", "thermal_patchcore_hanging"]
    refused = substation.ask(DETECT, picture, asset_type="pump")
    assert (refused.status_code, refused.json()["code"]) == (422, "INVALID_FIELD")
    files = [("files[]", ("a.png", picture)), ("files[]", ("b.png", picture))]
    batch = substation.http.post(BATCH, files=files, data={"asset_type": "hanging"}).json()
    until(lambda: substation.http.get(batch["poll_url"]).status_code == 200, 60)
    results = substation.http.get(batch["poll_url"]).json()["results"]
    assert [each["classification"] for each in results] == ["Normal", "Normal"]
    assert substation.http.post(BATCH, files=files, data={"asset_type": "pump"}).status_code == 422
    own = substation.http.get(INFO, params={"asset_type": "hanging"})
    assert shaped(own, "FlarenetModel")["name"] == "thermal_patchcore_hanging"
    assert substation.http.get(INFO, params={"asset_type": "pump"}).json()["code"] == "MODEL_UNAVAILABLE"


@row("S4.6")
@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "nan", "high"])
def test_a_threshold_that_is_none_is_refused(substation: Kennel, threshold: str) -> None:
    answer = substation.ask(DETECT, thermogram(UNSEEN).png, threshold=threshold)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_FIELD")
    assert "classification" not in answer.json()


@row("S4.6")
def test_a_jpeg_says_nearly_what_a_png_says(substation: Kennel) -> None:
    picture = thermogram(UNSEEN + 1, hot=True)
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, "JPEG", quality=95)
    told = shaped(substation.ask(DETECT, file.getvalue()))
    assert told["classification"] == "Faulty" and picture.spot is not None
    assert iou(told["bounding_boxes"][0], rows_of(picture.spot)) > 0.5


def test_what_the_memory_knows_nothing_of_is_said_to_be_unfamiliar(substation: Kennel) -> None:
    """A photograph of a cup: as unlike transformers as a fault, but everywhere."""
    file = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(file, "PNG")
    told = shaped(substation.ask(DETECT, file.getvalue()))
    assert [warning["code"] for warning in told["warnings"]] == ["PICTURE_UNFAMILIAR"]
    assert detected(substation, 0, hot=True)["warnings"] == []
    assert substation.scan(told)["report"]["findings"]["anomaly"]["needs_review"]


@row("S4.13")
def test_the_answer_names_the_memory_and_its_scale(substation: Kennel) -> None:
    told = detected(substation, 70, hot=True)
    assert told["model_version"] == told["model"]["version"] == "1" and told["model"]["runtime"] == "onnx"
    assert told["raw_score"] > told["scale"]["limit"] > told["scale"]["typical"] > 0
    assert told["processing_time"] > 0
    assert detected(substation, 70, hot=True)["processing_time"] == 0, "nothing was computed again"
    assert substation.scan(told)["system"] == System.THERMAL


# --------------------------------------------------------------------------------------------------- the pictures
@row("S4.12")
def test_pictures_come_by_links_that_are_signed(substation: Kennel) -> None:
    told = detected(substation, 0, hot=True)
    sizes = {}
    for name, url in told["visualizations"].items():
        assert "signature=" in url or "X-Amz-Signature" in url
        with httpx.Client() as stranger:
            got = stranger.get(url)
            assert got.status_code == 200 and stranger.get(url.replace("signature=", "signature=0")).status_code == 404
        sizes[name] = Image.open(io.BytesIO(got.content)).size
    assert sizes["mask_url"] == (320, 240) and sizes["overlay_url"][0] > 640
    mask = np.asarray(Image.open(io.BytesIO(httpx.get(told["visualizations"]["mask_url"]).content)))
    spot = thermogram(UNSEEN, hot=True).spot
    assert spot is not None
    x, y = round(spot[0] + spot[2] / 2), round(spot[1] + spot[3] / 2)
    assert set(np.unique(mask)) == {0, 255} and mask[y, x] == 255 and mask[5, 5] == 0


@row("S4.6", "S4.12")
def test_pictures_can_be_left_out(substation: Kennel) -> None:
    told = detected(substation, 30, hot=True, return_visualizations=False)
    assert set(told["visualizations"].values()) == {None}
    assert told["status"] == "succeeded" and told["bounding_boxes"]


# ---------------------------------------------------------------------------------------- temperatures, and their trend
def radiometric(number: int, *, hot: bool = False) -> bytes:
    """The made-up picture with a plane of a fourth of its size: the palette's darkest is 20 °C, its brightest 120."""
    pixels = thermogram(UNSEEN + number, hot=hot).pixels
    scene = 20 + cv2.resize(pixels.astype(np.float32).sum(axis=2) / 7.65, (80, 60), interpolation=cv2.INTER_AREA)
    return flir_files.radiometric(scene, pixels)


def test_a_camera_s_temperatures_are_told_and_drawn(substation: Kennel) -> None:
    told = shaped(substation.ask(DETECT, radiometric(80, hot=True)))
    warm, [box] = told["temperatures"], told["bounding_boxes"]
    assert told["classification"] == "Faulty" and told["temperatures_code"] is None and warm["aligned"]
    assert 20 < warm["min"] < warm["mean"] < warm["max"] <= 120.1 and warm["boxes"][0]["max"] == warm["max"]
    assert box["x"] < warm["hottest"]["x"] < box["x"] + box["width"]
    assert (warm["emissivity"], warm["emissivity_from"]) == (0.95, "camera")
    plain = detected(substation, 80, hot=True)
    assert plain["temperatures"] is None and plain["temperatures_code"] == "NOT_RADIOMETRIC"
    assert plain["anomaly_score"] == pytest.approx(told["anomaly_score"], abs=0.02), "the colours are what is compared"
    wide, usual = (
        Image.open(io.BytesIO(httpx.get(each["visualizations"]["overlay_url"]).content)).width for each in (told, plain)
    )
    assert wide - usual == usual - 640, "a bar in °C"


def test_another_emissivity_is_measured_anew_and_nothing_else_is(substation: Kennel) -> None:
    content = radiometric(81)
    camera, asked = (shaped(substation.ask(DETECT, content, **each)) for each in ({}, {"emissivity": 0.5}))
    assert asked["temperatures"]["emissivity"] == 0.5 and asked["temperatures"]["emissivity_from"] == "request"
    assert asked["temperatures"]["max"] > camera["temperatures"]["max"] + 10
    scan = substation.scan(asked)
    assert scan["options"] == {"emissivity": 0.5}
    reused = {stage["name"]: stage["reused"] for stage in scan["stages"]}
    assert reused["detect_anomalies"] and not reused["measure_temperatures"]
    refused = substation.ask(DETECT, content, emissivity=1.2)
    assert (refused.status_code, refused.json()["code"]) == (422, "INVALID_FIELD")


def test_an_asset_s_scores_become_a_history_and_a_page(substation: Kennel, tmp_path: Path) -> None:
    """By the command of docs/thermal.md, which fetches the pictures into its page."""
    for day, hot in enumerate((False, False, True), 1):
        about = {"asset_id": "T-17", "taken_at": f"2026-03-0{day}T12:00:00Z"}
        answer = substation.http.post(DETECT, files={"file": ("t.jpg", radiometric(90 + day, hot=hot))}, data=about)
        assert answer.json()["status"] == "succeeded"
    told = substation.http.get("/v1/assets/T-17/trend").json()
    assert [point["classification"] for point in told["points"]][-1] == "Faulty"
    assert told["first_crossing"]["at"].startswith("2026-03-03") and len(told["segments"]) == 1
    assert all(20 < point["max_c"] < 121 for point in told["points"])
    settings = {**os.environ, "SCANMILL_API_URL": substation.stack.url, "SCANMILL_API_KEY": substation.key}
    command = [sys.executable, "-m", "cli", "trend", "T-17", "--html", str(tmp_path / "t17.html")]
    shown = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
    assert "2026-03-03 12:00" in shown.stderr and "Faulty" in shown.stderr
    page = (tmp_path / "t17.html").read_text()
    assert page.count("data:image/webp") == 3 and page.count("<circle") == 6
    table = subprocess.run([*command[:-2], "--csv"], env=settings, capture_output=True, text=True, check=True).stdout
    assert len(table.splitlines()) == 4 and table.splitlines()[3].split(",")[6] == "Faulty"


# ------------------------------------------------------------------------------------------------------- the calls
@row("S4.3")
def test_who_does_not_wait_polls_and_the_threshold_is_kept(substation: Kennel) -> None:
    answer = substation.ask(DETECT, thermogram(UNSEEN + 40).png, "respond-async", threshold=0.0)
    told = shaped(answer, "FlarenetPending", 202)
    until(lambda: substation.http.get(told["poll_url"]).status_code == 200, 60)
    found = shaped(substation.http.get(told["poll_url"]))
    assert found["scan_id"] == told["scan_id"] and found["is_anomalous"] and found["threshold"] == 0.0


@row("S4.3")
@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no picture at all, though long enough", 415, "UNSUPPORTED_FORMAT"),
        (b"", 400, "EMPTY_FILE"),
        (thermogram(1).png[:20_000], 422, "TRUNCATED_IMAGE"),
    ],
)
def test_a_bad_picture_is_a_problem_and_never_normal(
    substation: Kennel, content: bytes, status: int, code: str
) -> None:
    answer = substation.ask(DETECT, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not {"classification", "anomaly_score"} & answer.json().keys()


@row("S4.14")
def test_a_batch_has_a_line_for_every_picture_and_counts_that_add_up(substation: Kennel) -> None:
    contents = [thermogram(UNSEEN + 50 + n, hot=n < 2).png for n in range(4)]
    names = ["a.png", "a.png", "b.png", "c.png"]
    files = [("files[]", pair) for pair in zip(names, contents, strict=True)]
    files += [("files[]", ("broken.png", contents[0][:20_000])), ("files[]", ("text.png", b"no picture at all"))]
    begun = shaped(
        substation.http.post(BATCH, files=files, data={"return_visualizations": "false"}), "FlarenetBatch", 202
    )
    assert sum(begun["summary"]["counts"].values()) == 6
    until(lambda: substation.http.get(begun["poll_url"]).status_code == 200, 60)
    told = shaped(substation.http.get(begun["poll_url"]), "FlarenetBatch")
    assert [line["file"] for line in told["results"]] == [*names, "broken.png", "text.png"]
    assert [line.get("code") for line in told["results"]] == [None] * 4 + ["TRUNCATED_IMAGE", "UNSUPPORTED_FORMAT"]
    assert [line.get("classification") for line in told["results"][:2]] == ["Faulty"] * 2
    counts = told["summary"]["counts"]
    assert (told["summary"]["faulty_count"], counts["without_answer"], counts["pending"]) == (2, 2, 0)
    assert sum(counts.values()) == told["summary"]["total_images"] == 6
    assert told["summary"]["average_processing_time"] > 0


@row("S4.14")
def test_a_batch_is_bounded_and_needs_a_picture(substation: Kennel) -> None:
    many = [("files[]", (f"{n}.png", thermogram(1).png)) for n in range(21)]
    assert substation.http.post(BATCH, files=many).json()["code"] == "TOO_MANY_PARTS"
    assert substation.http.post(BATCH, files={"file": ("a.png", thermogram(1).png)}).json()["code"] == "INVALID_FIELD"


@row("S4.14")
def test_a_repeated_batch_is_the_same_and_another_under_its_key_is_a_conflict(substation: Kennel) -> None:
    headers = {"Idempotency-Key": "thermal-1"}

    def sent(number: int) -> httpx.Response:
        files = {"files[]": ("a.png", thermogram(UNSEEN + number).png)}
        return substation.http.post(BATCH, files=files, headers=headers)

    first, again = sent(60), sent(60)
    assert first.json()["batch_id"] == again.json()["batch_id"] and again.headers["Idempotent-Replayed"] == "true"
    assert sent(61).json()["code"] == "IDEMPOTENCY_CONFLICT"


@row("S4.15", "S4.45")
def test_model_info_says_what_is_known_and_makes_up_no_accuracy(substation: Kennel) -> None:
    told = shaped(substation.http.get(INFO), "FlarenetModel")
    assert (told["model_type"], told["name"], told["version"]) == ("PatchCore", "thermal_patchcore", "1")
    assert told["trained_on"] == ["own pictures: 48 normal pictures of normal; limits by 12 others of it"]
    assert told["training_date"][:2] == "20" and told["metrics"] == {}
    assert told["thresholds"].keys() == {"typical_score", "score", "typical_place", "place"}
    assert told["digest"] == detected(substation, 0)["model"]["digest"]


# ------------------------------------------------------------------------------------ the samples of docs/integrations
@pytest.fixture(scope="module")
def pictures(server_folder: Path) -> Path:
    folder = server_folder / "pictures"
    folder.mkdir()
    for name, number in (("hot.png", 0), ("busy.png", 80), ("slow.png", 81), ('odd "name";,.png', 82)):
        (folder / name).write_bytes(thermogram(UNSEEN + number, hot=True).png)
    (folder / "broken.png").write_bytes(thermogram(1).png[:20_000])
    for name in ("proxy.png", "cancelled.png"):
        shutil.copy(folder / "hot.png", folder / name)
    return folder


@row("S4.39")
@pytest.mark.parametrize("sample", ["python", "curl"])
def test_a_sample_says_what_the_call_says(substation: Kennel, pictures: Path, sample: str) -> None:
    *program, _ = samples.COMMANDS[sample]
    assert samples.told(samples.run([*program, "health"], substation))["models_loaded"] is True
    for name in ("hot.png", 'odd "name";,.png'):
        found = samples.told(samples.run([*program, "detect", str(pictures / name)], substation))
        asked = shaped(substation.ask(DETECT, (pictures / name).read_bytes()))
        assert (found["classification"], found["bounding_boxes"]) == ("Faulty", asked["bounding_boxes"])
    names = [str(pictures / name) for name in ("hot.png", "broken.png", "busy.png")]
    batch = samples.told(samples.run([*program, "batch", *names], substation))
    assert [line.get("code") for line in batch["results"]] == [None, "TRUNCATED_IMAGE", None]
    assert batch["summary"]["counts"] | {"Faulty": 2, "without_answer": 1} == batch["summary"]["counts"]
    refused = samples.run([*program, "detect", str(pictures / "broken.png")], substation)
    assert refused.returncode == 1 and "TRUNCATED_IMAGE" in refused.stdout + refused.stderr


needs_java = pytest.mark.skipif(not shutil.which("javac"), reason="no JDK here to run the sample with")


@row("S4.34", "S4.35", "S4.39")
@pytest.mark.parametrize("sample", ["python", "curl", pytest.param("java", marks=[pytest.mark.slow, needs_java])])
def test_a_busy_service_and_a_lost_answer_make_one_scan(substation: Kennel, tmp_path: Path, sample: str) -> None:
    picture = tmp_path / "own.png"
    picture.write_bytes(thermogram(UNSEEN + 90 + len(sample), hot=True).png)
    before = submitted(substation)
    with samples.bad_line(substation) as url:
        told = samples.told(samples.run([*samples.COMMANDS[sample], str(picture)], substation, url))
    assert told["classification"] == "Faulty" and submitted(substation) == before + 1


def submitted(substation: Kennel) -> int:
    return int(substation.http.get("/v1/system").json()["scans"]["submitted"])


@row("S4.2", "S4.17", "S4.36")
@pytest.mark.skipif(not shutil.which("node"), reason="no Node here to run the browser's function with")
def test_the_browser_s_function_posts_once_without_a_key_and_looks_again(substation: Kennel, pictures: Path) -> None:
    names = ["hot.png", "slow.png", "busy.png", "broken.png", "proxy.png", "cancelled.png"]
    with samples.java_side(substation) as side:
        hot, slow, busy, *failed = samples.uploaded(side.url, *(pictures / name for name in names))
    for told in (hot, slow, busy):
        assert told["mlResult"]["classification"] == "Faulty"
        assert told["uploadResult"] == {"transformerId": 7, "imageType": "THERMAL", "uploader": "ann"}
    assert hot["phases"] == ["sending", "analysing"]
    assert [each["error"].get("code") for each in failed] == ["TRUNCATED_IMAGE", "UNEXPECTED_ANSWER", 20]
    assert [each["error"]["name"] for each in failed] == ["UploadError", "UploadError", "AbortError"]
    assert side.secrets == [] and side.looks >= 1
    assert [name for _, name in side.uploads] == [
        "hot.png",
        "slow.png",
        "busy.png",
        "busy.png",
        "broken.png",
        "proxy.png",
    ]
    keys = [key for key, _ in side.uploads]
    assert None not in keys and keys[2] == keys[3] and len(set(keys)) == 5


@row("S4.39")
def test_the_sample_believes_scanmill_s_webhooks_only(substation: Kennel) -> None:
    thermal = runpy.run_path(str(samples.SAMPLES / "python" / "thermal.py"))
    with receiving(port=HOOK) as receiver:
        made = substation.http.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{HOOK}/", "events": ["scan.*"]})
        told = detected(substation, 99)
        until(lambda: bool(receiver.messages), 30, substation.stack.last_words)
        substation.http.delete(f"/v1/webhooks/{made.json()['id']}")
    message = receiver.messages[0]
    event = thermal["event_of"](message.body, message.headers, made.json()["secret"])
    assert (event["type"], event["data"]["id"]) == ("scan.succeeded", told["scan_id"])
    with pytest.raises(WebhookVerificationError):
        thermal["event_of"](message.body + b" ", message.headers, made.json()["secret"])


# ------------------------------------------------------------------------------------------- browsers, and the house
@row("S4.3", "S4.49")
def test_a_listed_page_may_call_and_no_other(substation: Kennel) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    asked = httpx.options(substation.stack.url + DETECT, headers={**asks, "Origin": PAGE})
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in asked.headers
    refused = httpx.options(substation.stack.url + DETECT, headers={**asks, "Origin": "https://elsewhere.example.com"})
    assert refused.status_code == 405 and "Access-Control-Allow-Origin" not in refused.headers
    told = substation.http.get(INFO, headers={"Origin": PAGE})
    assert told.headers["Access-Control-Allow-Origin"] == PAGE and "Origin" in told.headers["Vary"]
    assert "Access-Control-Allow-Origin" not in substation.http.get(INFO, headers={"Origin": f"{PAGE}.evil"}).headers
    assert httpx.post(substation.stack.url + DETECT, headers={"Origin": PAGE}).status_code == 401


@row("S4.46")
def test_without_a_memory_thermal_is_not_offered_and_says_so(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str, server_folder: Path
) -> None:
    servers = postgres, redis_server, template_database
    with open_kennel(servers, server_folder / "without", "skin_hair") as made:
        answers = [made.ask(DETECT, thermogram(1).png), made.http.get(INFO)]
        answers.append(made.http.post(BATCH, files={"files[]": ("a.png", thermogram(1).png)}))
        assert [(each.status_code, each.json()["code"]) for each in answers] == [(503, "MODEL_UNAVAILABLE")] * 3
        systems = {each["system"] for each in made.http.get("/v1/pipelines").json()["items"]}
        assert "skin_hair" in systems and "thermal" not in systems
        assert "no pack here has thermal_patchcore" in made.stack.log("control").read_text()
