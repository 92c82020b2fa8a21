"""What the network was given and said, as a file; only where an installation wants it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pipeline.analyze import analyze_image
from pipeline.contracts import System
from pipeline.imaging.codec import encode_png
from pipeline.run import run_in_memory
from pipeline.stages.capture_debug import MEDIA_TYPE
from pipeline.systems import PIPELINES
from pipeline.tuning import tuned
from tests.golden.cases import starter_room

PICTURE = np.full((300, 200, 3), (200, 150, 120), np.uint8)


def scanned(**options: bool) -> dict[str, Any]:
    [pipeline] = tuned([PIPELINES[System.SKIN_HAIR]])
    return run_in_memory(pipeline, encode_png(PICTURE), starter_room(), options)


def test_it_is_off_unless_it_is_wanted() -> None:
    assert "capture_debug" not in scanned()


def test_it_holds_input_and_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_SKIN_HAIR_DEBUG", "true")
    runs = scanned()
    file = runs["capture_debug"].artifacts["debug"]
    told = json.loads(file.content)
    assert file.media_type == MEDIA_TYPE
    assert told["answer"] == runs["classify_heads"].data and told["image"] == runs["decode_image"].data
    assert told["models"].keys() == {"skin_hair_tflite", "skin_hair"}
    given = (np.array([200, 150, 120]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert told["input"]["shape"] == [224, 224, 3]
    for name in ("min", "mean", "max"):
        assert told["input"][name] == pytest.approx(given, abs=1e-4)


def test_a_scan_may_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_SKIN_HAIR_DEBUG", "true")
    assert scanned(debug=False)["capture_debug"].ending.code == "SWITCHED_OFF"


def test_it_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = analyze_image(encode_png(PICTURE), starter_room())
    monkeypatch.setenv("SCANMILL_SKIN_HAIR_DEBUG", "true")
    assert analyze_image(encode_png(PICTURE), starter_room()) == plain
