"""A plan for doing a batch again, as a person reads it."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from cli.batches import planned


def stage(name: str, least: int, most: int, **more: Any) -> dict[str, Any]:
    span = {"least": least, "most": most}
    nothing = {"least": 0, "most": 0}
    return {"name": name, "changed": [], "follows": [], "computed": span, "reused": nothing, "skipped": nothing} | {
        "seconds": {"likely": 200.0, "from": 120.0, "to": 240.0} if most else {"likely": 0.0, "from": 0.0, "to": 0.0},
        **more,
    }


def shown(**more: Any) -> str:
    found = {
        "exact": True,
        "lines": 1200,
        "scans": 1190,
        "refused": 10,
        "input_missing": 0,
        "computed": {"least": 1190, "most": 2380},
        "reused": {"least": 0, "most": 1190},
        "work_s": None,
        "time_s": None,
        "slots": 2,
        "gone": [],
        "stages": [
            stage("decode_image", 0, 0),
            stage("classify_mouth", 1190, 1190, changed=["model", "parameters"]),
            stage("build_report", 0, 1190, follows=["classify_mouth"]),
            stage("fetch_input", 3, 7, seconds=None),
        ],
    }
    text = io.StringIO()
    Console(file=text, width=160).print(planned.reprocess(found | more))
    return " ".join(text.getvalue().split())


def test_it_names_what_is_computed_and_why_and_nothing_else() -> None:
    text = shown()
    assert "classify_mouth other model, parameters 1,190 0 0 2.0 to 4.0 min" in text
    assert "build_report follows classify_mouth at most 1,190 0 0" in text
    assert "fetch_input no answer is kept 3 to 7 0 0 not known" in text
    assert "decode_image" not in text
    assert "1,190 of 1,200 are scanned" in text and "10 were refused" in text and "no picture" not in text
    assert "work not known" in text


def test_it_says_when_it_is_a_guess_and_what_is_gone() -> None:
    text = shown(exact=False, gone=["old_stage"], input_missing=4)
    assert "scaled up from a sample" in text and "old_stage" in text and "4 have no picture any more" in text
