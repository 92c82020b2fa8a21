"""Shipped files scored again, on a handful of made-up pictures."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.made_up_cats import write_sets
from training import scores
from training.entries.cat_face import LANDMARKS
from training.place import Place
from training.report.page import write

PACK = Path(__file__).parents[3] / "models" / "starter"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("made-up")
    write_sets(root / "data")
    pack = root / "pack"
    (pack / "notes").mkdir(parents=True)
    shutil.copyfile(PACK / LANDMARKS.file, pack / LANDMARKS.file)
    shutil.copyfile(PACK / "notes" / "cat_landmarks.json", pack / "notes" / "cat_landmarks.json")
    return Place(root / "data", pack)


def note_of(place: Place) -> dict[str, Any]:
    return dict(json.loads((place.out / "notes" / "cat_landmarks.json").read_text("utf-8")))


def test_a_file_is_scored_again_and_what_moved_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = note_of(place)
    moved = list(scores.again(LANDMARKS, place, keep=False))
    assert moved
    assert "mean error / head side: " in capsys.readouterr().out
    assert note_of(place) == before, "only looked"
    list(scores.again(LANDMARKS, place, keep=True))
    after = note_of(place)
    assert after["run"] == before["run"]
    assert after["thresholds"] == before["thresholds"]
    assert {"slices", "outcomes", "examples", "reliability", "sizes", "scored", "right"} <= set(after)
    assert list(scores.again(LANDMARKS, place, keep=False)) == [], "the same bytes score the same"


def test_slices_outcomes_and_figures_speak_of_the_same_pictures(place: Place) -> None:
    list(scores.again(LANDMARKS, place, keep=True))
    note = note_of(place)
    figures = {metric["name"]: metric for metric in note["metrics"]}
    wholes = {row["figure"]: row for row in note["slices"] if not row["by"]}
    for name in ("mean error / head side", "confidence >= 0.5 without a face"):
        assert wholes[name]["value"] == pytest.approx(figures[name]["value"], abs=1e-4)
        assert wholes[name]["n"] == figures[name]["n"]
    assert sum(one["n"] for one in note["outcomes"]) == sum(
        wholes[name]["n"] for name in ("mean error / head side", "confidence >= 0.5 without a face")
    )
    assert note["sizes"]["cats_dogs"]["test"] > 0


def test_the_page_shows_pictures_where_the_sets_are_and_says_so_where_not(place: Place, tmp_path: Path) -> None:
    list(scores.again(LANDMARKS, place, keep=True))
    note = note_of(place)
    shown = write(place.out, place, tmp_path / "with" / "index.html").read_text("utf-8")
    assert shown.count("data:image/webp;base64,") == sum(len(keys) for keys in note["examples"].values()) > 0
    bare = write(place.out, None, tmp_path / "without" / "index.html").read_text("utf-8")
    assert "data:image" not in bare
    assert "The pictures are in no repository." in bare
    for page in (shown, bare):
        assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
        assert str(place.data) not in page
        assert "not a medical device" in page


def figure(value: float, n: int = 10) -> Mapping[str, Any]:
    return {"name": "f", "value": value, "low": value, "high": value, "n": n}


def test_differences_in_words() -> None:
    assert list(scores.differences([figure(0.5)], [figure(0.5001)])) == []
    assert list(scores.differences([figure(0.5)], [figure(0.6)])) == [
        "f: 0.5000 [0.5000, 0.5000] n 10 before, 0.6000 [0.6000, 0.6000] n 10 now"
    ]
    assert list(scores.differences([figure(0.5)], [figure(0.5, 11)])) == [
        "f: 0.5000 [0.5000, 0.5000] n 10 before, 0.5000 [0.5000, 0.5000] n 11 now"
    ]
    assert list(scores.differences([], [figure(0.5)])) == ["f: new"]
    assert list(scores.differences([figure(0.5)], [])) == ["f: gone"]


def test_a_note_is_folded_and_keeps_what_it_says() -> None:
    note = {"b": [{"n": 1, "on": "[a] {b}\n c"}, {"n": 2, "on": ""}], "a": ["x", "y"], "run": {"stages": [{"size": 1}]}}
    text = scores.folded(note)
    assert json.loads(text) == note
    assert ' {"n": 2, "on": ""}\n' in text
    assert ' "a": ["x", "y"],\n' in text


def test_an_unknown_name_is_refused() -> None:
    assert [entry.name for entry in scores.chosen(["cat_landmarks"])] == ["cat_landmarks"]
    assert len(scores.chosen([])) > 8
    with pytest.raises(ValueError, match="no such model: dog"):
        scores.chosen(["dog"])
