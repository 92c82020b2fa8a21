"""What counts as found, accepted and missed; the lists by difficulty; and the interval."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cats import LISTS, Photo, _seen, listed, opened, told
from pipeline.contracts import RunState
from pipeline.models.room import ModelRoom
from pipeline.numbers import interval, share
from pipeline.progress import Ending
from pipeline.run import RunRecord
from tests.unit.pipeline.items import room

PHOTO = Photo(Path("a.jpg"), np.array([[10, 10], [30, 10], [5, 0], [35, 0], [20, 25], [20, 20]], np.float32))


def record(state: RunState = RunState.OK, code: str | None = None, **data: Any) -> RunRecord:
    return RunRecord(Ending(state, code), data)


def records(probability: float, **others: RunRecord) -> dict[str, RunRecord]:
    box = {"x": 5, "y": 5, "width": 10, "height": 10}
    regions = {
        "left_eye": {"box": box, "inside": True},
        "right_eye": {"box": box, "inside": True},
        "mouth": {"box": box, "inside": False},
    }
    whole = {"detect_face": record(), "detect_landmarks": record(), "crop_regions": record(regions=regions)}
    return {"validate_subject": record(probability=probability), **whole, **others}


def test_a_crop_misses_when_the_labelled_point_is_not_on_it() -> None:
    seen = _seen(PHOTO, records(0.9), 0.7)
    assert (seen.accepted, seen.face, seen.landmarks, seen.code) == (True, True, True, "ok")
    assert seen.missed == (False, True), "the left eye is on its crop, the right one is not, the mouth was left out"


def test_faces_are_judged_also_where_the_gate_would_close() -> None:
    seen = _seen(PHOTO, records(0.2), 0.7)
    assert (seen.accepted, seen.face, seen.code) == (False, True, "NOT_A_CAT")


def test_the_first_code_is_told_with_its_reason() -> None:
    refused = record(RunState.ABSTAINED, "LANDMARK_DETECTION_FAILED", reason="roll")
    skipped = record(RunState.SKIPPED, "UPSTREAM_NOT_OK")
    seen = _seen(PHOTO, records(0.9, detect_landmarks=refused, crop_regions=skipped), 0.7)
    assert (seen.face, seen.landmarks, seen.code, seen.missed) == (True, False, "LANDMARK_DETECTION_FAILED: roll", ())


def test_rates_add_up() -> None:
    rates = told([_seen(PHOTO, records(p), 0.7) for p in (0.9, 0.8, 0.1)])
    assert rates["accepted as a cat"]["share"] == pytest.approx(2 / 3, abs=1e-4) and rates["to the end"]["n"] == 3
    assert rates["crops that miss their labelled point"] == share([False, True] * 3)
    assert rates["codes"] == {"ok": 2, "NOT_A_CAT": 1}


def test_the_gate_is_open_and_its_threshold_known(tmp_path: Path) -> None:
    models: ModelRoom = room(tmp_path)
    pipeline, threshold = opened(models)
    assert pipeline.by_name["validate_subject"].parameters["threshold"] == 0.0 and 0 < threshold < 1
    assert pipeline.stages[-1].name == "crop_regions"


def test_the_lists_name_each_picture_once_a_difficulty() -> None:
    with LISTS.open(newline="", encoding="utf-8") as lines:
        rows = [tuple(row.values()) for row in csv.DictReader(lines)]
    assert max(Counter(rows).values()) == 1
    assert all(name.endswith(".jpg") and "/" not in name for _, name, _ in rows)
    found = listed(Path("data"))
    assert sum(len(difficulties) for difficulties in found.values()) == len(rows) > len(found)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662), (0, 0, 0.0, 1.0)],
)
def test_wilson_s_interval(hits: int, n: int, low: float, high: float) -> None:
    assert interval(hits, n) == pytest.approx((low, high), abs=1e-4)
