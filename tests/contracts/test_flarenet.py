"""The thermal seed's contract by HTTP against real processes, with a memory made by the commands of docs/thermal.md.

What is odd in the pictures, and where, is known: they are made up (``tests/thermograms.py``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import numpy as np
import pytest
import skimage.data
from PIL import Image

from api.flarenet.operations import FLARENET_SCHEMAS
from api.schemas import SCHEMAS
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.compare import iou
from pipeline.contracts import System
from pipeline.imaging.codec import encode_png
from tests import thermal_pack
from tests.contracts.kennel import Kennel, open_kennel
from tests.stack import until
from tests.thermograms import thermogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.timeout(300)

DETECT, BATCH, INFO = "/api/v1/detect-anomaly", "/api/v1/batch-detect", "/api/v1/model-info"
PAGE = "https://grid.example.com"
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
@pytest.mark.parametrize("number", range(4))
def test_a_planted_hot_spot_is_found_where_it_is(substation: Kennel, number: int) -> None:
    told = detected(substation, number, hot=True)
    assert (told["classification"], told["is_anomalous"], told["confidence"]) == ("Faulty", True, "High")
    [box] = told["bounding_boxes"]
    assert box["type"] == "Critical" and box["confidence"] > 0.9
    spot = thermogram(UNSEEN + number, hot=True).spot
    assert spot is not None and iou(box, rows_of(spot)) > 0.5


def test_normal_pictures_that_it_never_saw_are_normal(substation: Kennel) -> None:
    """Of twelve two may be above the limit, which by its definition one in twenty is: the next test counts."""
    told = [detected(substation, number) for number in range(12)]
    assert sum(each["is_anomalous"] for each in told) <= 2
    assert sum(each["classification"] == "Normal" for each in told) >= 9
    assert all(each["bounding_boxes"] == [] for each in told if each["classification"] == "Normal")


def test_one_in_twenty_normal_pictures_is_above_the_limit_as_the_scale_says(pack: Path) -> None:
    model = thermal_pack.room(pack).load("thermal_patchcore")
    scale = model.scale("score")  # type: ignore[attr-defined]  # of its family
    answers = model.predict([thermogram(number).pixels for number in range(1000, 1200)])
    scores = [scale.share(answer.score) for answer in answers]
    assert 0.01 <= np.mean(np.array(scores) >= 0.5) <= 0.12
    assert np.mean(np.array(scores) < 0.3) >= 0.8


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


@pytest.mark.parametrize("threshold", ["1.5", "-0.1", "nan", "high"])
def test_a_threshold_that_is_none_is_refused(substation: Kennel, threshold: str) -> None:
    answer = substation.ask(DETECT, thermogram(UNSEEN).png, threshold=threshold)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_FIELD")
    assert "classification" not in answer.json()


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


def test_the_answer_names_the_memory_and_its_scale(substation: Kennel) -> None:
    told = detected(substation, 70, hot=True)
    assert told["model_version"] == told["model"]["version"] == "1" and told["model"]["runtime"] == "onnx"
    assert told["raw_score"] > told["scale"]["limit"] > told["scale"]["typical"] > 0
    assert told["processing_time"] > 0
    assert detected(substation, 70, hot=True)["processing_time"] == 0, "nothing was computed again"
    assert substation.scan(told)["system"] == System.THERMAL


# --------------------------------------------------------------------------------------------------- the pictures
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


def test_pictures_can_be_left_out(substation: Kennel) -> None:
    told = detected(substation, 30, hot=True, return_visualizations=False)
    assert set(told["visualizations"].values()) == {None}
    assert told["status"] == "succeeded" and told["bounding_boxes"]


# ------------------------------------------------------------------------------------------------------- the calls
def test_who_does_not_wait_polls_and_the_threshold_is_kept(substation: Kennel) -> None:
    answer = substation.ask(DETECT, thermogram(UNSEEN + 40).png, "respond-async", threshold=0.0)
    told = shaped(answer, "FlarenetPending", 202)
    until(lambda: substation.http.get(told["poll_url"]).status_code == 200, 30)
    found = shaped(substation.http.get(told["poll_url"]))
    assert found["scan_id"] == told["scan_id"] and found["is_anomalous"] and found["threshold"] == 0.0


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


def test_a_batch_is_bounded_and_needs_a_picture(substation: Kennel) -> None:
    many = [("files[]", (f"{n}.png", thermogram(1).png)) for n in range(21)]
    assert substation.http.post(BATCH, files=many).json()["code"] == "TOO_MANY_PARTS"
    assert substation.http.post(BATCH, files={"file": ("a.png", thermogram(1).png)}).json()["code"] == "INVALID_FIELD"


def test_a_repeated_batch_is_the_same_and_another_under_its_key_is_a_conflict(substation: Kennel) -> None:
    headers = {"Idempotency-Key": "thermal-1"}

    def sent(number: int) -> httpx.Response:
        files = {"files[]": ("a.png", thermogram(UNSEEN + number).png)}
        return substation.http.post(BATCH, files=files, headers=headers)

    first, again = sent(60), sent(60)
    assert first.json()["batch_id"] == again.json()["batch_id"] and again.headers["Idempotent-Replayed"] == "true"
    assert sent(61).json()["code"] == "IDEMPOTENCY_CONFLICT"


def test_model_info_says_what_is_known_and_makes_up_no_accuracy(substation: Kennel) -> None:
    told = shaped(substation.http.get(INFO), "FlarenetModel")
    assert (told["model_type"], told["name"], told["version"]) == ("PatchCore", "thermal_patchcore", "1")
    assert told["trained_on"] == ["own pictures: 48 normal pictures of normal; limits by 12 others of it"]
    assert told["training_date"][:2] == "20" and told["metrics"] == {}
    assert told["thresholds"].keys() == {"typical_score", "score", "typical_place", "place"}
    assert told["digest"] == detected(substation, 0)["model"]["digest"]


# ------------------------------------------------------------------------------------------- browsers, and the house
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
