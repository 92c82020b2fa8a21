"""A dataset's lists: what a person said is in them also where no model had an answer, and never passes for a model's."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from api.dataset.lists import Pictures, as_csv

MOMENT = datetime(2026, 11, 27, tzinfo=UTC)
FOUND = {"label": "normal", "likeliest": "normal", "confidence": 0.9}
SILENT = {"outcome": "skipped", "code": "UPSTREAM_NOT_OK"}


def lines(findings: dict[str, Any] | None, reviewed: dict[str, str]) -> list[tuple[str, str, str, str]]:
    report = None if findings is None else {"findings": findings, "stages": {}}
    scan = {
        **dict.fromkeys(("sha256", "input_sha256", "scan_id", "version", "training_by"), "x"),
        "created_at": MOMENT,
        "training_at": MOMENT,
        "report": report,
        "reviewed": reviewed,
    }
    with Pictures() as pictures:
        pictures.add("images/x.png", scan)
        text = b"".join(as_csv(pictures)).decode("utf-8-sig")
    names = ("region", "label", "label_source", "reviewed_label")
    return [tuple(line[name] for name in names) for line in csv.DictReader(io.StringIO(text))]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("findings", "reviewed", "expected"),
    [
        ({"eye": FOUND}, {}, [("eye", "normal", "model", "")]),
        ({"eye": FOUND}, {"eye": "cataract"}, [("eye", "normal", "model", "cataract")]),
        ({"eye": SILENT}, {"eye": "cataract"}, [("eye", "", "", "cataract")]),
        ({"a": FOUND}, {"b": "odd"}, [("a", "normal", "model", ""), ("b", "", "", "odd")]),
        (None, {"eye": "cataract"}, [("eye", "", "", "cataract")]),
        ({"eye": SILENT}, {}, [("", "", "", "")]),
    ],
    ids=["a model's", "both", "a person's alone", "of two findings", "no report", "nobody's"],
)
def test_each_label_has_its_source(findings: Any, reviewed: dict[str, str], expected: Any) -> None:
    assert lines(findings, reviewed) == expected
