"""A cascade as a detector: boxes in the picture, neighbours in place of a probability."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from pipeline.errors import ModelOutputInvalid, NoFaceDetected
from pipeline.models.base import of_family
from pipeline.models.cascade import CascadeSession
from pipeline.models.detector import DetectorModel
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.stage import StageOutput
from pipeline.stages.detect_face import DetectFace
from tests.unit.pipeline import tiny_models, tiny_runtimes
from tests.unit.pipeline.items import canonical, item

CATS = Path(cv2.data.haarcascades) / "haarcascade_frontalcatface.xml"


def opened(folder: Path, content: bytes, size: int = 160) -> Any:
    (folder / "cascade.xml").write_bytes(content)
    (folder / "manifest.toml").write_text(f"""
[[model]]
name = "faces"
version = "1"
file = "cascade.xml"
sha256 = "{tiny_models.sha256(content)}"
runtime = "opencv"
licence = "BSD-3-Clause"
source = "tests"
task = "cascade"
[model.input]
name = "image"
size = [{size}, {size}]
letterbox = 114
colour = "GREY"
dtype = "uint8"
[model.outputs]
boxes = "boxes"
neighbours = "neighbours"
[model.labels]
neighbours = ["cat_face"]
[model.thresholds]
score = 3
""")
    return ModelRoom([read_manifest(folder / "manifest.toml", "mine")]).load("faces")


@pytest.fixture
def model(tmp_path: Path) -> Any:
    return opened(tmp_path, tiny_runtimes.CASCADE.encode())


def banner(x: int, y: int, size: tuple[int, int] = (120, 160)) -> Any:
    """Grey, with a square of 40 pixels at (x, y), white above and black below."""
    picture = np.full((*size, 3), 128, np.uint8)
    picture[y : y + 20, x : x + 40], picture[y + 20 : y + 40, x : x + 40] = 250, 5
    return picture


def test_boxes_lie_where_the_thing_is_and_neighbours_are_counted(model: Any) -> None:
    best = of_family({"m": model}, "m", DetectorModel).predict([banner(30, 20)])[0][0]
    assert best.label == "cat_face"
    assert abs(best.box.centre[0] - 50) < 4 and abs(best.box.centre[1] - 40) < 4
    assert best.confidence > 3 and best.confidence == int(best.confidence), "a number of hits, no probability"
    assert model.predict([np.full((120, 160, 3), 128, np.uint8)]) == [[]]


def test_boxes_come_back_through_the_letterbox(model: Any) -> None:
    best = model.predict([banner(200, 30, (100, 320))])[0][0]
    assert abs(best.box.centre[0] - 220) < 8 and abs(best.box.centre[1] - 50) < 8


def test_neighbours_in_the_batch_change_nothing(model: Any) -> None:
    pictures = [banner(10 + 3 * i, 20 + i, (120 + i, 160 + 5 * i)) for i in range(8)] + [data.chelsea(), data.coffee()]
    alone = [model.predict([picture])[0] for picture in pictures]
    assert model.predict(pictures) == alone
    assert model.predict(pictures[::-1]) == alone[::-1]


def test_the_session_says_what_opencv_says(tmp_path: Path) -> None:
    """The cascade that comes with OpenCV, read from memory: the same groups as read from its file."""
    session, file = CascadeSession(CATS.read_bytes()), cv2.CascadeClassifier(str(CATS))
    grey = cv2.cvtColor(data.chelsea(), cv2.COLOR_RGB2GRAY)
    found = session.run("image", grey[None, :, :, None], ["boxes", "neighbours"])
    boxes, hits = file.detectMultiScale2(grey, scaleFactor=1.1, minNeighbors=1)
    assert [int(n) for n in found["neighbours"][0] if n] == sorted((int(hit) for hit in hits), reverse=True)
    assert {(x - w / 2, y - h / 2, w, h) for x, y, w, h in found["boxes"][0].tolist() if w} == {tuple(b) for b in boxes}
    assert opened(tmp_path, CATS.read_bytes(), 480).predict([data.coffee()]) == [[]]


def test_detect_face_runs_on_a_cascade(model: Any) -> None:
    stage = DetectFace(name="detect_face", model="faces")
    found, nothing = stage.run(
        [item(decode_image=canonical(banner(30, 20))), item(decode_image=canonical(np.full((50, 50, 3), 9, np.uint8)))],
        {"faces": model},
    )
    assert isinstance(found, StageOutput) and found.data["confidence"] > 3
    assert isinstance(nothing, NoFaceDetected)


def test_answers_that_cannot_be_are_invalid(model: Any) -> None:
    good = {"boxes": np.zeros((300, 4), np.float32), "neighbours": np.zeros(300, np.float32)}
    picture = banner(1, 1)
    assert model._answer(good, picture) == []
    for role, bad in (
        ("neighbours", np.full(300, np.nan)), ("neighbours", np.full(300, -2.0)), ("neighbours", np.zeros(3)),
        ("boxes", np.zeros((300, 5))), ("boxes", np.full((300, 4), -1.0)),
    ):  # fmt: skip
        assert isinstance(model._answer({**good, role: bad}, picture), ModelOutputInvalid)
