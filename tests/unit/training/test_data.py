"""Groups stay on one side of the split, and the side never moves."""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from training import data


def write_labels(folder: Path, rows: list[dict[str, str]]) -> None:
    folder.mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=sorted({key for row in rows for key in row}))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    cats = [
        {
            "file": f"{cat}_{shot}.jpg",
            "split": "train",
            "source": "gpriamo",
            "orig_name": f"unprocessed/{cat}/{shot}.jpg",
        }
        for cat in ("marika", "guppi", "rudi", "mina", "elvis", "ciko", "koshka")
        for shot in range(9)
    ]
    plain = [
        {"file": f"{n}.jpg", "split": "train", "source": "catsdogs_kaggle", "orig_name": f"cat.{n}.jpg"}
        for n in range(400)
    ]
    whole = [{"file": f"m{n}.jpg", "split": "train", "source": "maxogden", "orig_name": f"m{n}.jpg"} for n in range(30)]
    write_labels(tmp_path / "cat_face_landmarks_pseudo", cats + plain + whole)
    shots = [{"file": f"{n:04}.jpg", "split": "train", "orig_name": f"{n:04}.jpg"} for n in range(1, 300)]
    write_labels(tmp_path / "people_ccp", shots)
    return tmp_path


@pytest.mark.row("S3.8")
def test_no_group_is_on_two_sides(sets: Path) -> None:
    parts = defaultdict(set)
    for picture in data.everything(sets, ("cat_face_landmarks_pseudo", "people_ccp")):
        parts[picture.group].add(picture.part)
    assert all(len(sides) == 1 for sides in parts.values())
    assert {side for sides in parts.values() for side in sides} == {"train", "validation", "test"}


def test_an_individual_cat_is_one_group(sets: Path) -> None:
    own = [p for p in data.pictures(sets, "cat_face_landmarks_pseudo") if p.row["source"] == "gpriamo"]
    assert len({p.group for p in own}) == 7


def test_consecutive_shots_of_a_person_are_one_group(sets: Path) -> None:
    groups = {p.group for p in data.pictures(sets, "people_ccp") if 120 <= int(p.path.stem) < 130}
    assert groups == {"people_ccp/12"}


def test_whole_sources_are_kept_for_testing() -> None:
    assert data.part_of("maxogden") == data.part_of("supergawp") == "test"


def test_shares_are_as_published() -> None:
    parts = [data.part_of(f"set/{number}") for number in range(4000)]
    assert parts.count("test") / 4000 == pytest.approx(0.16, abs=0.03)
    assert parts.count("validation") / 4000 == pytest.approx(0.10, abs=0.03)


def test_the_side_of_a_group_is_pinned() -> None:
    assert [data.part_of(f"cats_dogs/{n}.jpg") for n in range(3)] == ["validation", "test", "train"]


@pytest.mark.row("S3.9")
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "no.jpg"
    file.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="cannot decode"):
        data.read_rgb(file)


def test_the_thermograms_split_is_written_down_and_nothing_moved() -> None:
    """docs/thermal_substations.csv: no picture of a test's place was remembered."""
    with (Path(__file__).parents[3] / "docs" / "thermal_substations.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len({row["sha256"] for row in rows}) == len(rows) == 519
    assert all(data.part_of(row["group"]) == row["part"] for row in rows)
